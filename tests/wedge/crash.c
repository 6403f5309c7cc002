/*
 * crash.c: says where a program was when it died. For LD_PRELOAD; the frames go to standard error, innermost first, a line each.
 */
#include <execinfo.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define FRAMES	24

static void died(int number)
{
	static const char title[] = "\ncrash: frames\n";
	void *frames[FRAMES];
	int n = backtrace(frames, FRAMES);

	if (write(STDERR_FILENO, title, sizeof(title) - 1) > 0)
		backtrace_symbols_fd(frames, n, STDERR_FILENO);
	raise(number);		/* SA_RESETHAND: now it ends the program */
}

__attribute__((constructor)) static void watch(void)
{
	static const int fatal[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	struct sigaction action;
	void *frame;
	size_t i;

	backtrace(&frame, 1);	/* loads the unwinder, which the handler must not */
	memset(&action, 0, sizeof(action));
	action.sa_handler = died;
	action.sa_flags = SA_RESETHAND | SA_NODEFER;
	for (i = 0; i < sizeof(fatal) / sizeof(*fatal); i++)
		sigaction(fatal[i], &action, NULL);
}
