/* calls.c: system calls without the C library, whose functions use vector registers. */
#include <sys/syscall.h>
#include "machine.h"

static long call(long number, long a, long b, long c)
{
	long result;

	asm volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return result;
}

long call_write(int file, const void *bytes, uint64_t count)
{
	return call(SYS_write, file, (long)bytes, (long)count);
}

long call_protect(uint64_t address, uint64_t bytes, int protection)
{
	return call(SYS_mprotect, (long)address, (long)bytes, protection);
}
