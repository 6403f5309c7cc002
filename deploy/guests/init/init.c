#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "guest.h"

#define CONSOLE_QUIET 6 /* syslog(2): only emergencies reach the console */
#define CONSOLE_NORMAL 7

static int failures;

void say(const char *format, ...)
{
	char line[256];
	va_list args;
	int length = snprintf(line, sizeof(line), "reheat: ");

	va_start(args, format);
	length += vsnprintf(line + length, sizeof(line) - length - 1, format, args);
	va_end(args);
	if (length > (int)sizeof(line) - 2)
		length = sizeof(line) - 2;
	line[length++] = '\n';
	/* One write: two processes must not mix within a line. */
	if (write(STDOUT_FILENO, line, length) != length)
		failures++;
}

void fail(const char *what)
{
	say("FAIL %s %d", what, errno);
	failures++;
}

int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t length = strlen(text);
	ssize_t done;
	int error;

	if (fd < 0)
		return -1;
	done = write(fd, text, length);
	error = errno;
	close(fd);
	errno = error;
	return done == length ? 0 : -1;
}

static void mount_all(void)
{
	static const char *const type[] = { "proc", "sysfs", "devtmpfs" };
	static const char *const where[] = { "/proc", "/sys", "/dev" };

	for (unsigned int i = 0; i < sizeof(type) / sizeof(type[0]); i++) {
		/* The kernel may have mounted devtmpfs already. */
		if (mount(type[i], where[i], type[i], 0, NULL) && errno != EBUSY)
			fail(type[i]);
	}
	say("mounted proc sysfs devtmpfs");
}

/* reheat.rounds=N on the kernel's command line multiplies the work. */
static int rounds_asked(void)
{
	char line[4096];
	int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);
	const char *at;
	int rounds = 1;

	if (fd >= 0)
		close(fd);
	if (length < 0) {
		fail("cmdline");
		return rounds;
	}
	line[length] = '\0';
	at = strstr(line, "reheat.rounds=");
	if (at)
		rounds = atoi(at + strlen("reheat.rounds="));
	return rounds < 1 ? 1 : rounds;
}

/* fork, exec of this very file, and its exit status back. */
static void work_processes(int rounds)
{
	for (int i = 0; i < 8 * rounds; i++) {
		int status = -1;
		pid_t child = fork();

		if (child == 0) {
			execl("/init", "init", "child", NULL);
			_exit(127);
		}
		if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 42) {
			fail("process");
			return;
		}
	}
	say("processes forked and executed");
}

int main(int argc, char **argv)
{
	int rounds;

	if (argc > 1 && !strcmp(argv[1], "child"))
		return 42;
	if (getpid() != 1) {
		fprintf(stderr, "init: runs as the first process of a guest\n");
		return 2;
	}
	klogctl(CONSOLE_QUIET, NULL, 0);
	say("guest starts");
	mount_all();
	rounds = rounds_asked();
	say("rounds %d, processors %ld", rounds, sysconf(_SC_NPROCESSORS_ONLN));
	work_processes(rounds);
	work_memory(rounds);
	work_console(rounds);
	if (!net_up()) {
		work_net(rounds);
		work_time(rounds);
		net_down();
	}
	if (failures)
		say("done with %d failures", failures);
	else
		say("done");
	tcdrain(STDOUT_FILENO);
	klogctl(CONSOLE_NORMAL, NULL, 0);
	sync();
	reboot(RB_POWER_OFF);
	fail("power off");
	return 1;
}
