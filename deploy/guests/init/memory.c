/* Page tables: entries are made, written to, protected, shared by a fork, moved, aged and cleared. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "guest.h"

#define PAGE 4096u
#define PAGES 256u
#define SIZE (PAGE * PAGES)
#define HUGE_SIZE (4u << 20)

static char *map(size_t size)
{
	char *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return at == MAP_FAILED ? NULL : at;
}

static void touch(char *at, size_t size, char value)
{
	for (size_t i = 0; i < size; i += PAGE)
		((volatile char *)at)[i] = value;
}

static int all(const char *at, size_t size, char value)
{
	for (size_t i = 0; i < size; i += PAGE)
		if (((const volatile char *)at)[i] != value)
			return 0;
	return 1;
}

/* The child writes half of the pages: each is copied, and the parent must not see it. */
static int copy_on_write(char *at)
{
	int status = -1;
	pid_t child = fork();

	if (child == 0) {
		touch(at, SIZE / 2, 'c');
		_exit(all(at, SIZE / 2, 'c') && all(at + SIZE / 2, SIZE / 2, 'p') ? 0 : 1);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0 && all(at, SIZE, 'p') ? 0 : -1;
}

static int protect(char *at)
{
	return mprotect(at, SIZE, PROT_READ) || mprotect(at, SIZE / 2, PROT_NONE) || mprotect(at, SIZE, PROT_READ | PROT_WRITE) ||
		       !all(at, SIZE, 'p') ?
		       -1 :
		       0;
}

/* Moves to a place of its own, drops the pages there: they read as zeroes. */
static int move_and_drop(char *at)
{
	char *place = map(SIZE);
	char *moved = place ? mremap(at, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED, place) : MAP_FAILED;

	if (moved == MAP_FAILED || !all(moved, SIZE, 'p') || madvise(moved, SIZE, MADV_DONTNEED) || !all(moved, SIZE, 0))
		return -1;
	touch(moved, SIZE, 'm');
	return munmap(moved, SIZE);
}

static int map_file(void)
{
	int fd = open("/init", O_RDONLY | O_CLOEXEC);
	char *at = fd < 0 ? MAP_FAILED : mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	int ok;

	if (fd >= 0)
		close(fd);
	if (at == MAP_FAILED)
		return -1;
	ok = !memcmp(at, "\177ELF", 4);
	touch(at, 16 * PAGE, 'f');
	return munmap(at, 16 * PAGE) || !ok ? -1 : 0;
}

/* One aligned huge page, split by a change of its middle. A kernel without huge pages says EINVAL and is right. */
static int huge(void)
{
	char *at = map(HUGE_SIZE);

	if (!at || (madvise(at, HUGE_SIZE, MADV_HUGEPAGE) && errno != EINVAL))
		return -1;
	touch(at, HUGE_SIZE, 'h');
	if (mprotect(at + HUGE_SIZE / 2, PAGE, PROT_READ) || !all(at, HUGE_SIZE, 'h'))
		return -1;
	return munmap(at, HUGE_SIZE);
}

static atomic_int stop_spinning;

static void *spin(void *unused)
{
	while (!atomic_load(&stop_spinning))
		sched_yield();
	return unused;
}

/* While another processor runs in the same address space, each unmap has to interrupt it. */
static int shoot_down(int times)
{
	pthread_t other;

	atomic_store(&stop_spinning, 0);
	if (pthread_create(&other, NULL, spin, NULL))
		return -1;
	for (int i = 0; i < times; i++) {
		char *at = map(4 * PAGE);

		if (!at)
			break;
		touch(at, 4 * PAGE, 's');
		munmap(at, 4 * PAGE);
	}
	atomic_store(&stop_spinning, 1);
	return pthread_join(other, NULL);
}

void work_memory(int rounds)
{
	for (int i = 0; i < 2 * rounds; i++) {
		char *at = map(SIZE);

		if (!at || !all(at, SIZE, 0)) {
			fail("map");
			return;
		}
		touch(at, SIZE, 'p');
		if (copy_on_write(at))
			fail("copy on write");
		if (protect(at))
			fail("protect");
		/* Clears the accessed bit of every page of this process. */
		if (put("/proc/self/clear_refs", "1"))
			fail("clear_refs");
		if (move_and_drop(at))
			fail("move");
		if (map_file())
			fail("map file");
		if (huge())
			fail("huge page");
		if (shoot_down(64))
			fail("shoot down");
	}
	say("memory mapped, copied on write, protected, moved, unmapped");
}
