/*
 * clock.c: a wall clock that is ahead of the machine's by as many nanoseconds as the file named by REHEAT_CLOCK holds at the moment. For LD_PRELOAD. What counts from the
 * start of the machine is left alone.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NANO	1000000000ll

static const volatile int64_t *ahead;
static int (*machines)(clockid_t clock, struct timespec *now);

__attribute__((constructor)) static void attach(void)
{
	const char *file = getenv("REHEAT_CLOCK");
	int fd = file ? open(file, O_RDONLY | O_CLOEXEC) : -1;
	void *memory = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*ahead), PROT_READ, MAP_SHARED, fd, 0);

	machines = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
	if (memory == MAP_FAILED)
		abort();
	ahead = memory;
	close(fd);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
	int result;
	int64_t at;

	if (!machines)
		attach();
	result = machines(clock, now);
	if (result || (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE))
		return result;
	at = now->tv_sec * NANO + now->tv_nsec + *ahead;
	now->tv_sec = at / NANO;
	now->tv_nsec = at % NANO;
	return 0;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
	struct timespec exact;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &exact);
	now->tv_sec = exact.tv_sec;
	now->tv_usec = exact.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *now)
{
	struct timespec exact;

	clock_gettime(CLOCK_REALTIME, &exact);
	if (now)
		*now = exact.tv_sec;
	return exact.tv_sec;
}
