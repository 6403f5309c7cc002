/* table.c: the page table, changed by the means that kernels use: plain stores, constants, exchanges, locked bit operations. */
#include "guest.h"

#define PRESENT		1ull
#define WRITABLE	2ull
#define UNCACHED	0x10ull
#define USED		0x20ull
#define LARGE		0x80ull
#define FRAME		0x000ffffffffff000ull
#define MEMORY_MB	16u		/* mapped page by page */
#define TABLES		24u

typedef uint64_t table[512];

static table pool[TABLES] __attribute__((aligned(PAGE)));
static uint64_t *free_tables[TABLES], *root;
static unsigned int free_count;

static void set_pte(uint64_t *entry, uint64_t value) { *(volatile uint64_t *)entry = value; }
static void set_pmd(uint64_t *entry, uint64_t value) { *(volatile uint64_t *)entry = value; }
static void set_pud(uint64_t *entry, uint64_t value) { *(volatile uint64_t *)entry = value; }
static void set_pgd(uint64_t *entry, uint64_t value) { *(volatile uint64_t *)entry = value; }

static uint64_t *get_table(void)
{
	uint64_t *t;
	unsigned int i;

	if (!free_count)
		return NULL;
	t = free_tables[--free_count];
	for (i = 0; i < 512; i++)
		t[i] = 0;
	return t;
}

static uint64_t *at(uint64_t *t, uint64_t address, unsigned int level)
{
	return &t[address >> (3 + 9 * level) & 511];
}

static uint64_t *below(uint64_t entry)
{
	return (entry & PRESENT) && !(entry & LARGE) ? (uint64_t *)(entry & FRAME) : NULL;
}

static uint64_t *pmd_of(uint64_t address)
{
	uint64_t *pud = below(*at(root, address, 4)), *pmd;

	if (!pud)
		return NULL;
	pmd = below(*at(pud, address, 3));
	return pmd ? at(pmd, address, 2) : NULL;
}

static uint64_t *pte_of(uint64_t address)
{
	uint64_t *pmd = pmd_of(address), *pte = pmd ? below(*pmd) : NULL;

	return pte ? at(pte, address, 1) : NULL;
}

/* The first GiB by pages as far as there is memory, and the fourth by large pages: devices. */
void table_open(void)
{
	uint64_t *low, *high, *pud, *pte = NULL, address;
	unsigned int i;

	for (i = 0; i < TABLES; i++)
		free_tables[free_count++] = pool[TABLES - 1 - i];
	root = get_table();
	pud = get_table();
	low = get_table();
	high = get_table();
	set_pgd(&root[0], (uintptr_t)pud | PRESENT | WRITABLE);
	set_pud(&pud[0], (uintptr_t)low | PRESENT | WRITABLE);
	set_pud(&pud[3], (uintptr_t)high | PRESENT | WRITABLE);
	for (address = 0; address < MEMORY_MB << 20; address += PAGE) {
		if (address % (2u << 20) == 0) {
			pte = get_table();
			set_pmd(at(low, address, 2), (uintptr_t)pte | PRESENT | WRITABLE);
		}
		set_pte(at(pte, address, 1), address | PRESENT | WRITABLE);
	}
	for (address = 0xc0000000; address < 0x100000000; address += 2u << 20)
		set_pmd(at(high, address, 2), address | PRESENT | WRITABLE | LARGE | UNCACHED);
	platform_use_table((uintptr_t)root);
}

bool table_map(uint64_t address, uint64_t frame, uint64_t bits)
{
	uint64_t *pud = below(*at(root, address, 4)), *pmd, *pte;

	if (!pud) {
		pud = get_table();
		if (!pud)
			return false;
		set_pgd(at(root, address, 4), (uintptr_t)pud | PRESENT | WRITABLE);
	}
	pmd = below(*at(pud, address, 3));
	if (!pmd) {
		pmd = get_table();
		if (!pmd)
			return false;
		set_pud(at(pud, address, 3), (uintptr_t)pmd | PRESENT | WRITABLE);
	}
	pte = below(*at(pmd, address, 2));
	if (!pte) {
		pte = get_table();
		if (!pte)
			return false;
		set_pmd(at(pmd, address, 2), (uintptr_t)pte | PRESENT | WRITABLE);
	}
	set_pte(at(pte, address, 1), frame | bits | PRESENT);
	return true;
}

uint64_t table_unmap(uint64_t address)
{
	uint64_t *pte = pte_of(address), old = 0;

	if (pte)
		old = __atomic_exchange_n(pte, 0, __ATOMIC_SEQ_CST);
	platform_forget(address);
	return old;
}

void table_write_protect(uint64_t address)
{
	uint64_t *pte = pte_of(address);

	if (pte)
		__atomic_and_fetch(pte, ~WRITABLE, __ATOMIC_SEQ_CST);
	platform_forget(address);
}

bool table_was_used(uint64_t address)
{
	uint64_t *pte = pte_of(address);
	bool was = pte && (__atomic_fetch_and(pte, ~USED, __ATOMIC_SEQ_CST) & USED);

	platform_forget(address);
	return was;
}

uint64_t table_entry(uint64_t address)
{
	uint64_t *pte = pte_of(address);

	return pte ? *pte : 0;
}

/* A large page becomes a table of small ones. */
bool table_split(uint64_t address)
{
	uint64_t *pmd = pmd_of(address), *pte, frame, bits;
	unsigned int i;

	if (!pmd || !(*pmd & LARGE))
		return false;
	pte = get_table();
	if (!pte)
		return false;
	frame = *pmd & FRAME;
	bits = *pmd & ~(FRAME | LARGE);
	for (i = 0; i < 512; i++)
		set_pte(&pte[i], (frame + (uint64_t)i * PAGE) | bits);
	set_pmd(pmd, (uintptr_t)pte | PRESENT | WRITABLE);
	return true;
}

/* Takes the table of small pages off, which can be used for anything then. */
bool table_drop(uint64_t address)
{
	uint64_t *pmd = pmd_of(address), *pte = pmd ? below(*pmd) : NULL;

	if (!pte)
		return false;
	*(volatile uint64_t *)pmd = 0;
	platform_forget(address);
	free_tables[free_count++] = pte;
	return true;
}
