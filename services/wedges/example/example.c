/*
 * example.c: a whole wedge, to begin one's own from. It "traps" three instructions of its own: a store, a load and a rep stos to what could be a
 * device's registers, each recorded before it runs. A real one is called by its trap handler; the rest is the same.
 *
 *	gcc -O2 -no-pie -I services/wedges/include -o example services/wedges/example/example.c
 *	reheat builds add example --series example; ./example /dev/shm/example 1000
 *	reheat wedge check /dev/shm/example; reheat agent --session /dev/shm/example --image example
 *
 * It is compiled with -no-pie so that it runs at its link address; otherwise the agent is told where: --image example@BIAS.
 */
#include <stdlib.h>

#include "reheat_session.h"

#define REGISTERS	0xfed00000u	/* where the guest would find them */
#define FILL		8		/* elements of the rep stos */

void example_write(volatile uint32_t *reg, uint32_t value) __asm__("example_write");
uint32_t example_read(volatile uint32_t *reg) __asm__("example_read");
void example_fill(volatile uint32_t *reg, uint32_t value, uint64_t count) __asm__("example_fill");
extern const char example_stos[];

/* In assembly, so that each function is the instruction that the trace names, and a ret. */
__asm__(".text\n"
	".type example_write, @function\nexample_write: movl %esi, (%rdi)\nret\n.size example_write, .-example_write\n"
	".type example_read, @function\nexample_read: movl (%rdi), %eax\nret\n.size example_read, .-example_read\n"
	".type example_fill, @function\nexample_fill: movl %esi, %eax\nmovq %rdx, %rcx\nexample_stos: rep stosl\nret\n"
	".size example_fill, .-example_fill\n.globl example_write, example_read, example_fill, example_stos\n");
struct site {
	rh_u64 ip;
	size_t length;
	rh_u8 operation;
	int told;
};

static struct rh_session session;
static struct rh_producer ring;

/* What a wedge does at each trap: the instruction's bytes, once, and a record for each element. */
static void trapped(struct site *site, rh_u64 access, rh_u32 elements)
{
	rh_u32 i;

	if (!site->told)
		rh_session_tell(&session, site->ip, (const void *)site->ip, site->length);
	site->told = 1;
	for (i = 0; i < elements; i++)
		rh_push(&ring, site->ip, access + 4 * i, site->operation, 4, 0, 0, 1, i ? RH_CONTINUED : 0);
}

static int begin(const char *directory)
{
	void *memory;

	/* Target 0 of the records is the first name that stands here. */
	if (rh_session_open(&session, directory) || rh_session_info(&session, "example", "1", "itself", "target hpet\n") ||
	    rh_session_code(&session, 64) || !(memory = rh_session_ring(&session, 0, 1 << 16))) {
		fprintf(stderr, "%s/%s: %s: %s\n", directory, session.failed_name, session.failed, strerror(errno));
		return -1;
	}
	rh_producer_attach(&ring, memory);
	return 0;
}

int main(int argc, char **argv)
{
	static uint32_t registers[FILL];
	struct site writes = { (rh_u64)example_write, 2, RH_DEVICE_WRITE, 0 };
	struct site reads = { (rh_u64)example_read, 2, RH_DEVICE_READ, 0 };
	struct site fills = { (rh_u64)example_stos, 2, RH_DEVICE_WRITE, 0 };
	uint32_t i, rounds = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : 1;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: example DIRECTORY [ROUNDS]\n");
		return 2;
	}
	if (begin(argv[1]))
		return 1;
	for (i = 0; i < rounds; i++) {
		trapped(&writes, REGISTERS, 1);
		example_write(registers, i);
		trapped(&reads, REGISTERS, 1);
		if (example_read(registers) != i)
			return 1;
	}
	trapped(&fills, REGISTERS, FILL);
	example_fill(registers, 0, FILL);
	rh_close(&ring);
	return 0;
}
