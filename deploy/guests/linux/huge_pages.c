/*
 * huge_pages.c: asks for huge pages wherever a program maps memory of its own. Preloaded into the compilers of a kernel's build: each lives for
 * half a second and touches some ten thousand pages, which cost it a quarter of its time on a machine, and a third in a virtual one. Where the
 * system gives no huge pages (/sys/kernel/mm/transparent_hugepage/enabled is "never"), nothing changes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

void *mmap(void *address, size_t length, int protection, int flags, int file, off_t offset)
{
	void *memory = (void *)syscall(SYS_mmap, address, length, protection, flags, file, offset);
	int error = errno;

	if (memory != MAP_FAILED && (flags & MAP_ANONYMOUS) && (protection & PROT_WRITE))
		madvise(memory, length, MADV_HUGEPAGE);	/* if it cannot be had, it is not */
	errno = error;
	return memory;
}
