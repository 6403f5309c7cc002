/*
 * run.c: which elements belong to one execution of a rep instruction.
 *
 * The emulator runs rep as a loop of its own: an element, then a jump to the same instruction, until the count is
 * zero, then a jump to the following one. It ends a translation block at each rep. Hence:
 *
 *  - An element in a block that does not begin with the rep was reached from the instruction before: a new execution,
 *    whatever became of an earlier one (a fault's fix-up may have left it for good).
 *  - An element in a block that begins with the rep goes on with the open execution if there is one: the loop, or the
 *    return from an interrupt or a page fault. Otherwise it is a new one that a jump led to.
 *  - An execution ends when the following instruction runs. That one always begins a block; a callback there says so.
 *  - If that block was translated before the rep was seen it has no callback. Then the rep itself gets one, which comes
 *    before each round: two rounds without an element between are the last of one execution and the first of
 *    another. (A fault would look the same, so this is second choice.) Besides, an execution then goes on only where
 *    its last element ended. What this cannot tell apart: contiguous executions of a site that only jumps lead to,
 *    whose following block is older, under -singlestep, where the last round is left without another.
 *
 * All this costs nothing an element that is not a device's but a look at one counter.
 */
#include "wedge.h"

/* Addresses behind rep instructions; a direct-mapped table of fixed size. Bit 63 is inverted so that 0 is none. */
#define EXPECTED	(1u << 15)

static uint64_t expected[EXPECTED], armed[EXPECTED];

static unsigned int slot(uint64_t ip)
{
	return (unsigned int)((ip * 0x9e3779b97f4a7c15ull) >> 49);
}

static uint64_t name(uint64_t ip)
{
	return ip ^ 1ull << 63;
}

void run_expect(uint64_t after)
{
	__atomic_store_n(&expected[slot(after)], name(after), __ATOMIC_RELAXED);
}

bool run_is_expected(uint64_t ip)
{
	unsigned int i = slot(ip);

	if (likely(__atomic_load_n(&expected[i], __ATOMIC_RELAXED) != name(ip)))
		return false;
	__atomic_store_n(&armed[i], name(ip), __ATOMIC_RELAXED);
	return true;
}

bool run_end_is_seen(uint64_t after)
{
	return __atomic_load_n(&armed[slot(after)], __ATOMIC_RELAXED) == name(after);
}

static void forget(struct vcpu *v, unsigned int i)
{
	v->run[i] = v->run[--v->runs];
}

static struct run *find(struct vcpu *v, uint64_t after, uint8_t operation)
{
	unsigned int i;

	for (i = 0; i < v->runs; i++)
		if (v->run[i].after == after && v->run[i].operation == operation)
			return &v->run[i];
	return NULL;
}

static struct run *begin(struct vcpu *v, uint64_t after, uint8_t operation)
{
	struct run *run;

	if (v->runs == MAX_RUNS)
		forget(v, 0);
	run = &v->run[v->runs++];
	run->after = after;
	run->operation = operation;
	run->left = 0;
	run->quiet = 0;
	return run;
}

void run_end(unsigned int vcpu_index, void *after)
{
	struct vcpu *v = vcpus[vcpu_index];
	unsigned int i;

	if (likely(!v->runs))
		return;
	for (i = v->runs; i-- > 0; )
		if (v->run[i].after == (uint64_t)(uintptr_t)after)
			forget(v, i);
}

void run_round(unsigned int vcpu_index, void *after)
{
	struct vcpu *v = vcpus[vcpu_index];
	unsigned int i;

	if (likely(!v->runs) || run_end_is_seen((uint64_t)(uintptr_t)after))
		return;
	for (i = v->runs; i-- > 0; ) {
		if (v->run[i].after != (uint64_t)(uintptr_t)after)
			continue;
		if (v->run[i].quiet)
			forget(v, i);
		else
			v->run[i].quiet = 1;
	}
}

bool run_continues(struct vcpu *v, uintptr_t ref, uint8_t operation, uint64_t address, unsigned int size)
{
	uint64_t after = ref_ip(ref) + ref_length(ref);
	struct run *run = find(v, after, operation);
	bool open = run != NULL;

	if (ref & REF_ENTERED)
		open = false;
	else if (open && !run_end_is_seen(after))
		open = address == run->up || address == run->down;
	if (!run)
		run = begin(v, after, operation);
	run->up = address + size;
	run->down = address - size;
	run->quiet = 0;
	return open;
}

/* A vector move is one execution of a known number of accesses, upwards and without a gap. */
bool run_continues_wide(struct vcpu *v, uintptr_t ref, uint8_t operation, uint64_t address, unsigned int size,
			unsigned int accesses)
{
	uint64_t after = ref_ip(ref) + ref_length(ref);
	struct run *run = find(v, after, operation);
	bool open = run && run->left && run->up == address;

	if (!open) {
		if (!run)
			run = begin(v, after, operation);
		run->left = (uint8_t)accesses;
	}
	run->up = address + size;
	if (--run->left == 0)
		forget(v, (unsigned int)(run - v->run));
	return open;
}
