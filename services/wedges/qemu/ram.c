/*
 * ram.c: a small cache, a vCPU each, of virtual pages that are known to be RAM. The emulator's own answer costs more
 * than all the rest of a callback (measured: 35% of a boot's time); this one costs a load and a compare.
 *
 * An entry must never say RAM of what has become a device. Two things can make it so:
 *  - The guest maps the page elsewhere. As for the processor's own TLB, software must then run an invalidating
 *    instruction on each CPU, or load a control register; both get a callback that empties the cache. (A task gate that
 *    an exception takes would load CR3 unseen. Linux has one on i386, for double faults.)
 *  - The memory map changes. Only RAM that the machine had at reset is taken, and not the first MiB, where shadow RAM
 *    and VGA windows come and go. RAM that only system management sees is left with rsm, which empties the cache.
 *
 * Where the emulator does not let us walk page tables, the cache stays empty, and costs time but nothing else.
 */
#include <stdlib.h>
#include <string.h>

#include "wedge.h"

#define STEP		(2ull << 20)
#define MIB		(1ull << 20)
#define FOUR_GIB	(4ull << 30)
#define MOST		(1ull << 40)

/*
 * For RAM the emulator reports an offset into all RAM blocks rather than an address. Where the blocks lie is found by
 * walking page tables, which costs a microsecond: once for each chunk. Blocks begin at multiples of a chunk.
 */
#define CHUNK_SHIFT	18

enum { CHUNK_UNKNOWN, CHUNK_STEADY, CHUNK_OTHER };

static uint64_t low_end, high_end;	/* RAM: 0 to low_end, 4 GiB to high_end */
static uint8_t *chunks;
static uint64_t n_chunks;
static bool usable;

static uint64_t ram_from(uint64_t start, uint64_t end)
{
	uint64_t at = start;

	while (at < end && !physical_is_io(at))
		at += STEP;
	return at;
}

/* To be called at the first translation: the machine is whole, and no firmware has placed a BAR beside the RAM yet. */
void ram_survey(void)
{
	if (!options.walk)
		return;
	low_end = ram_from(STEP, FOUR_GIB);
	high_end = ram_from(FOUR_GIB, MOST);
	if (options.tables != TABLES_OFF)
		tables_survey(low_end, high_end);
	if (!options.filter)
		return;
	n_chunks = (low_end + (high_end - FOUR_GIB)) >> CHUNK_SHIFT;
	chunks = calloc(n_chunks, 1);
	__atomic_store_n(&usable, chunks != NULL, __ATOMIC_RELEASE);
}

void ram_forget(unsigned int vcpu_index, void *unused)
{
	struct vcpu *v = vcpus[vcpu_index];

	(void)unused;
	v->moved = 1;
	v->generation += RAM_GENERATION;
	if (unlikely(!v->generation)) {
		memset(v->ram, 0, sizeof(v->ram));
		v->generation = RAM_GENERATION;
	}
}

/* A nested guest has page tables of its own, and leaves without any instruction that could be seen. */
void ram_give_up(unsigned int vcpu_index, void *unused)
{
	__atomic_store_n(&usable, false, __ATOMIC_RELAXED);
	tables_give_up("the guest runs guests of its own");
	ram_forget(vcpu_index, unused);
}

/* The plain case only: one block, the part above 4 GiB behind the part below. NUMA nodes with blocks of their own are not. */
static uint8_t classify(struct vcpu *v, uint64_t virtual, uint64_t offset)
{
	uint64_t physical = physical_walk(v, virtual);

	offset &= ~0xfffull;
	if (physical < FOUR_GIB)
		return physical == offset && physical >= MIB && physical < low_end ? CHUNK_STEADY : CHUNK_OTHER;
	return physical < high_end && physical - FOUR_GIB + low_end == offset ? CHUNK_STEADY : CHUNK_OTHER;
}

void ram_learn(struct vcpu *v, uint64_t virtual, uint64_t offset)
{
	uint64_t chunk = offset >> CHUNK_SHIFT;
	struct page *page;
	uint8_t kind;

	if (!__atomic_load_n(&usable, __ATOMIC_ACQUIRE) || chunk >= n_chunks)
		return;
	kind = __atomic_load_n(&chunks[chunk], __ATOMIC_RELAXED);
	if (unlikely(kind == CHUNK_UNKNOWN)) {
		kind = classify(v, virtual, offset);
		__atomic_store_n(&chunks[chunk], kind, __ATOMIC_RELAXED);
	}
	if (kind != CHUNK_STEADY)
		return;
	page = &v->ram[ram_slot(virtual)];
	page->tag = ram_tag(v, virtual);
	page->frame = tables_frame(offset < low_end ? offset : offset - low_end + FOUR_GIB);
}
