/*
 * mmu.c: the guest's page table, of x86's four levels. The guest names its root in a register; from then on the pages that
 * hold tables cannot be written without a trap, and the addresses that devices use go through it. A page is a table for as
 * long as a present entry of a table refers to it.
 *
 * Registers: 0 the root (8 bytes), 8 an address that changed (nothing is cached here), 16 how often a device's address meant nothing.
 */
#include <sys/mman.h>
#include "mmu.h"

#define PRESENT		1ull
#define ACCESSED	0x20ull
#define DIRTY		0x40ull
#define LARGE		0x80ull
#define FRAME		0x000ffffffffff000ull
#define ENTRIES		512u

uint16_t *mmu_references;	/* of each page: present entries that name it as a table */
uint8_t *mmu_writable;		/* of each page: the guest may write it */

static uint64_t root, faults;

static inline uint64_t page_of(uint64_t address)
{
	return (address - machine_memory.low) / PAGE;
}

static inline uint64_t *entries(uint64_t table)
{
	return (uint64_t *)machine_at(table);
}

static bool names_table(uint64_t entry, unsigned int level)
{
	return level > 1 && (entry & PRESENT) && !(entry & LARGE && level < 4);
}

static void unmark(uint64_t table);

/* At most four deep: each level names tables of the one below. */
static void mark(uint64_t table, unsigned int level)
{
	uint64_t page;
	unsigned int i;

	if (!machine_is_memory(table, PAGE) || !mmu_writable[page = page_of(table)])
		return;
	if (mmu_references[page]++)
		return;
	machine_memory.levels[page] = (uint8_t)level;
	call_protect(table, PAGE, PROT_READ);
	for (i = 0; i < ENTRIES; i++)
		if (names_table(entries(table)[i], level))
			mark(entries(table)[i] & FRAME, level - 1);
}

static void unmark(uint64_t table)
{
	unsigned int i, level;
	uint64_t page;

	if (!machine_is_memory(table, PAGE) || !mmu_references[page = page_of(table)] || --mmu_references[page])
		return;
	level = machine_memory.levels[page];
	for (i = 0; i < ENTRIES; i++)
		if (names_table(entries(table)[i], level))
			unmark(entries(table)[i] & FRAME);
	machine_memory.levels[page] = 0;
	call_protect(table, PAGE, PROT_READ | PROT_WRITE);
}

static SELDOM void set_root(uint64_t value)
{
	uint64_t old = root;

	root = value & FRAME;
	if (root)
		mark(root, 4);
	if (old)
		unmark(old);
}

uint64_t mmu_read(uint64_t offset, unsigned int size)
{
	(void)size;
	return offset == 0 ? root : offset == 16 ? faults : 0;
}

void mmu_write(uint64_t offset, unsigned int size, uint64_t value)
{
	(void)size;
	if (offset == 0)
		set_root(value);
}

static SELDOM void change(unsigned int level, uint64_t old, uint64_t new)
{
	/* First the new one: what is moved from one entry to another stays a table. */
	if (names_table(new, level))
		mark(new & FRAME, level - 1);
	if (names_table(old, level))
		unmark(old & FRAME);
}

void mmu_store(uint64_t address, unsigned int size, uint64_t value)
{
	unsigned int level = machine_memory.levels[page_of(address)], shift = 8 * (address & 7);
	uint64_t *entry = (uint64_t *)machine_at(address & ~7ull);
	uint64_t old = *entry, covered = size == 8 ? ~0ull : ((1ull << 8 * size) - 1) << shift;

	if ((address & 7) + size > 8)
		guest_fault("writes two page-table entries at once, at", address);
	*entry = (old & ~covered) | (value << shift & covered);
	if (level > 1 && ((old ^ *entry) & (FRAME | PRESENT | LARGE)))
		change(level, old, *entry);
}

uint64_t mmu_translate(uint64_t address, bool write)
{
	uint64_t table = root, within = address, *entry;
	unsigned int level;

	if (!root)
		return address;
	for (level = 4; level; level--) {
		if (!machine_is_memory(table, PAGE))
			break;
		entry = &entries(table)[address >> (3 + 9 * level) & (ENTRIES - 1)];
		if (!(*entry & PRESENT))
			break;
		*entry |= ACCESSED;
		within = address & ((1ull << (3 + 9 * level)) - 1);
		if (names_table(*entry, level)) {
			table = *entry & FRAME;
			continue;
		}
		*entry |= write ? DIRTY : 0;
		return (*entry & FRAME & ~((1ull << (3 + 9 * level)) - 1)) + within;
	}
	faults++;
	return ~0ull;
}
