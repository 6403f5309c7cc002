/* Clock and console: the HPET's counter, the local APIC's timer, the VGA text buffer. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "guest.h"

#define CLOCKSOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* Runs on each processor in turn: reads the clock, and sleeps so that its local timer has to be set. */
static int tick(int times)
{
	struct timespec pause = { .tv_nsec = 1000 * 1000 };
	long processors = sysconf(_SC_NPROCESSORS_ONLN);
	long long last = now();
	cpu_set_t set;

	for (int i = 0; i < times; i++) {
		CPU_ZERO(&set);
		CPU_SET(i % processors, &set);
		if (sched_setaffinity(0, sizeof(set), &set) || nanosleep(&pause, NULL))
			return -1;
		for (int j = 0; j < 32; j++) {
			long long next = now();

			if (next < last)
				return -1;
			last = next;
		}
	}
	CPU_ZERO(&set);
	for (long i = 0; i < processors; i++)
		CPU_SET(i, &set);
	return sched_setaffinity(0, sizeof(set), &set);
}

void work_time(int rounds)
{
	char before[64] = "";
	FILE *file = fopen(CLOCKSOURCE, "re");

	if (!file || !fgets(before, sizeof(before), file))
		fail("clocksource");
	if (file)
		fclose(file);
	if (put(CLOCKSOURCE, "hpet\n"))
		fail("hpet");
	else if (tick(16 * rounds))
		fail("clock");
	else
		say("clock read from hpet");
	if (before[0] && put(CLOCKSOURCE, before))
		fail("clocksource restored");
}

/* Scrolls, erases, inserts and colours: each is another way to write the text buffer. */
void work_console(int rounds)
{
	static const char text[] = "\033[2J\033[H\033[7mreheat\033[0m\n\033[4@\033[2P\033[3L\033[2M\033[K\033[5;20r\033[20;1H\n\n\n"
				   "\033M\033M\033[r\033[25;1H\n\n";
	int fd = open("/dev/tty0", O_WRONLY | O_CLOEXEC);

	for (int i = 0; i < 8 * rounds; i++) {
		if (fd < 0 || write(fd, text, strlen(text)) < 0) {
			fail("tty0");
			break;
		}
	}
	if (fd >= 0) {
		close(fd);
		say("console written");
	}
}
