/*
 * user.c: a guest that measures what an access costs it: plain memory, a trap, a rewritten site, of each the same instruction in the same
 * loop. Times are the thread's own processor time. Prints "round what accesses nanoseconds".
 */
#include <stdint.h>

#define ROUNDS	5
#define TRAPS	20000
#define HITS	4000000

static uint64_t memory[512] __attribute__((aligned(4096)));
static uint64_t tables[4][512] __attribute__((aligned(4096)));
static volatile uint64_t *const power = (volatile uint64_t *)0xfe001000, *const mmu = (volatile uint64_t *)0xfe002000;
static char *const clock_registers = (char *)0xfed000f0, *const packets = (char *)0xfeb10000;
uint8_t stack[65536] __attribute__((aligned(16)));

asm(".globl start\nstart:	lea stack + 65536(%rip), %rsp\n	call guest_main\n");

#define RECORD(target)	"2:	.pushsection .afterburn." target ", \"\", @progbits\n	.quad 1b, 2b\n	.popsection\n"

/* One loop for what is not annotated, one for what is. */
#define LOOPS(name, instruction, target)							\
	static __attribute__((noinline)) void name(char *at, uint64_t n)			\
	{											\
		uint64_t r = 0;									\
		while (n--)									\
			asm volatile(instruction "\n	.nops 5\n" : "+a"(r) : "d"(at) : "memory", "cc");	\
	}											\
	static __attribute__((noinline)) void name##_rewritten(char *at, uint64_t n)		\
	{											\
		uint64_t r = 0;									\
		while (n--)									\
			asm volatile("1:	" instruction "\n	.nops 5\n" RECORD(target) : "+a"(r) : "d"(at) : "memory", "cc");	\
	}

LOOPS(load, "mov (%%rdx), %%eax", "hpet")
LOOPS(store, "mov %%eax, (%%rdx)", "e1000")
LOOPS(exchange, "lock orl $0x10, (%%rdx)", "e1000")
LOOPS(entry, "mov %%rax, (%%rdx)", "pte")

static long call(long number, long a, long b, long c)
{
	long result;

	asm volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
	return result;
}

static uint64_t now(void)
{
	struct { uint64_t seconds, nanoseconds; } t;

	call(228, 3, (long)&t, 0);	/* clock_gettime, of this thread */
	return t.seconds * 1000000000u + t.nanoseconds;
}

static char *number(char *to, uint64_t value)
{
	char digits[20];
	int n = 0;

	do
		digits[n++] = (char)('0' + value % 10);
	while (value /= 10);
	while (n)
		*to++ = digits[--n];
	*to++ = ' ';
	return to;
}

static void measure(unsigned int round, const char *what, void (*loop)(char *, uint64_t), char *at, uint64_t n)
{
	char line[128], *to = line;
	uint64_t begin = now();

	loop(at, n);
	begin = now() - begin;
	to = number(to, round);
	while (*what)
		*to++ = *what++;
	*to++ = ' ';
	to = number(number(to, n), begin);
	to[-1] = '\n';
	call(1, 1, (long)line, to - line);
}

void guest_main(void)
{
	unsigned int round, level;

	for (level = 3; level; level--)
		tables[level][0] = (uintptr_t)tables[level - 1] | 3;
	mmu[0] = (uintptr_t)tables[3];
	for (round = 0; round < ROUNDS; round++) {
		measure(round, "load memory", load, (char *)memory, HITS);
		measure(round, "load trapped", load, clock_registers, TRAPS);
		measure(round, "load rewritten", load_rewritten, clock_registers, HITS);
		measure(round, "store memory", store, (char *)memory, HITS);
		measure(round, "store trapped", store, packets, TRAPS);
		measure(round, "store rewritten", store_rewritten, packets, HITS);
		measure(round, "exchange memory", exchange, (char *)memory, HITS);
		measure(round, "exchange trapped", exchange, packets, TRAPS);
		measure(round, "exchange rewritten", exchange_rewritten, packets, HITS);
		measure(round, "table-entry memory", entry, (char *)memory, HITS);
		measure(round, "table-entry trapped", entry, (char *)tables[0], TRAPS);
		measure(round, "table-entry rewritten", entry_rewritten, (char *)tables[0], HITS);
	}
	power[0] = 0;
	for (;;)
		;
}
