/*
 * tables.c: which frames of guest RAM are page tables at this moment, and at which level: a byte a frame, which every
 * access to RAM looks at.
 *
 * A frame is a table for as long as a live table's present entry that maps no page itself leads to it, or a root does
 * (roots.c). Entries are counted, so that what several address spaces share stays until the last lets go. Tables that lead to
 * others are kept as they were counted (the shadow); a store to one is followed by comparing its entries with the shadow, so
 * that what another processor has stored meanwhile, or what was stored unseen, does no harm. The processor's own accessed and
 * dirty bits lead nowhere else and change nothing.
 *
 * Two processors: the byte of a new table is set before its entries are read, and whoever stores looks at the byte behind the
 * store; so one of the two sees it. The fence that this takes on the storing side is paid here (membarrier), where it is rare.
 */
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tables.h"

#define PRESENT		1u
#define HUGE_PAGE	0x80u
#define NOWHERE		(~0ull)

const char *const table_names[TABLE_NAMES] = { "pte", "pmd", "pud", "p4d", "pgd" };

uint8_t *table_frames;
uint64_t table_frame_count;
uint8_t table_none;
struct paging table_mode;
pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;

static struct table **known;		/* by frame; once made it is kept */
static bool fences;

int tables_check(void)
{
	int file;

	if (options.tables == TABLES_OFF)
		return 0;
	fences = !syscall(__NR_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
	if (!options.frames)
		return 0;
	file = open(options.frames, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (file >= 0)
		return close(file);
	fprintf(stderr, "reheat: option frames=%s: cannot create a new file there\n", options.frames);
	return -1;
}

/* In memory that the tests can read, if they ask for it. */
static uint8_t *make_frames(uint64_t count)
{
	int file = options.frames ? open(options.frames, O_RDWR | O_CLOEXEC) : -1;
	void *memory = MAP_FAILED;

	if (!options.frames)
		memory = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	else if (file >= 0 && !ftruncate(file, (off_t)count))
		memory = mmap(NULL, count, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (file >= 0)
		close(file);
	return memory == MAP_FAILED ? NULL : memory;
}

void tables_survey(uint64_t low_end, uint64_t high_end)
{
	uint64_t count = memory_survey(low_end, high_end) >> 12;

	known = calloc(count, sizeof(*known));
	table_frames = count ? make_frames(count) : NULL;
	if (known && table_frames)
		__atomic_store_n(&table_frame_count, count, __ATOMIC_RELEASE);
	else
		tables_give_up("no memory for the map of frames");
}

/* Nothing is worse than records of what is no page table: rather none at all, and a word why. */
void tables_give_up(const char *why)
{
	static bool said;

	if (__atomic_exchange_n(&said, true, __ATOMIC_RELAXED) || options.tables == TABLES_OFF)
		return;
	fprintf(stderr, "reheat: page tables are not recorded any more: %s\n", why);
	if (table_frame_count)
		memset(table_frames, 0, table_frame_count);
	__atomic_store_n(&table_frame_count, 0, __ATOMIC_RELEASE);
}

struct table *table_of(uint64_t frame)
{
	return frame < table_frame_count ? known[frame] : NULL;
}

struct table *table_make(uint64_t frame)
{
	void *memory = frame < table_frame_count ? memory_frame(frame) : NULL;

	if (!memory)
		return NULL;
	if (!known[frame]) {
		known[frame] = calloc(1, sizeof(struct table));
		if (known[frame])
			known[frame]->memory = memory;
	}
	return known[frame];
}

uint64_t table_entry(const void *entries, unsigned int i)
{
	return table_mode.entry == 8 ? __atomic_load_n((const uint64_t *)entries + i, __ATOMIC_RELAXED)
				     : __atomic_load_n((const uint32_t *)entries + i, __ATOMIC_RELAXED);
}

static void keep(struct table *t, unsigned int i, uint64_t entry)
{
	if (table_mode.entry == 8)
		((uint64_t *)t->shadow)[i] = entry;
	else
		((uint32_t *)t->shadow)[i] = (uint32_t)entry;
}

/* Bit 7 makes an entry a large page's at these levels; elsewhere it is reserved. */
static bool may_map(unsigned int level)
{
	return level == 2 || (level == 3 && table_mode.levels > 3);
}

uint64_t table_child(unsigned int level, uint64_t entry)
{
	if (!(entry & PRESENT) || (may_map(level) && (entry & HUGE_PAGE)))
		return NOWHERE;
	return (table_mode.entry == 8 ? entry & 0x000ffffffffff000ull : entry & 0xfffff000u) >> 12;
}

/* What the frame is called: by the highest part that it plays. */
static void publish(uint64_t frame, const struct table *t)
{
	unsigned int level = MAX_LEVELS;
	uint8_t name;

	while (level && !t->uses[level])
		level--;
	name = level && level == table_mode.levels ? TABLE_NAMES : (uint8_t)level;
	if (t->slots[0] | t->slots[1])
		name |= TABLE_PARTLY;
	__atomic_store_n(&table_frames[frame], name, __ATOMIC_RELEASE);
}

static void lose(uint64_t frame, unsigned int level)
{
	struct table *t = table_of(frame);

	if (t && t->uses[level])
		table_close(frame, t, level);
}

static void gain(uint64_t frame, unsigned int level)
{
	struct table *t = table_make(frame);

	if (t)
		table_open(frame, t, level);
}

static void follow(unsigned int level, uint64_t was, uint64_t is)
{
	uint64_t from = table_child(level, was), to = table_child(level, is);

	if (from == to)
		return;
	/* In this order, so that what only moves stays. */
	if (to != NOWHERE)
		gain(to, level - 1);
	if (from != NOWHERE)
		lose(from, level - 1);
}

static bool counts(const struct table *t, unsigned int level, unsigned int i)
{
	return t->uses[level] || (level == 3 && table_mode.levels == 3 && t->slots[i >> 8] >> (i >> 2 & 63) & 1);
}

void table_sync(struct table *t, unsigned int first, unsigned int end)
{
	size_t from = (size_t)first * table_mode.entry, bytes = (size_t)(end - first) * table_mode.entry;
	unsigned int i, level;

	if (!memcmp((char *)t->shadow + from, (char *)t->memory + from, bytes))
		return;
	for (i = first; i < end; i++) {
		uint64_t was = table_entry(t->shadow, i), is = table_entry(t->memory, i);

		if (was == is)
			continue;
		keep(t, i, is);
		for (level = 2; level <= table_mode.levels; level++)
			if (counts(t, level, i))
				follow(level, was, is);
	}
}

bool table_read(struct table *t)
{
	if (fences)
		syscall(__NR_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	if (!t->shadow)
		t->shadow = calloc(1, 4096);
	if (t->shadow)
		table_sync(t, 0, table_entries());
	else
		tables_give_up("no memory");
	return t->shadow;
}

/* One more entry, or a root, leads to the frame as a table of this level. */
void table_open(uint64_t frame, struct table *t, unsigned int level)
{
	unsigned int i;

	if (t->uses[level]++)
		return;
	publish(frame, t);
	if (level == 1)
		return;
	t->uses[level] = 0;	/* what is read now is followed below */
	if (table_read(t))
		for (i = 0; i < table_entries(); i++)
			follow(level, 0, table_entry(t->shadow, i));
	t->uses[level] = 1;
	publish(frame, t);
}

void table_close(uint64_t frame, struct table *t, unsigned int level)
{
	unsigned int i;

	if (--t->uses[level])
		return;
	publish(frame, t);
	for (i = 0; level > 1 && t->shadow && i < table_entries(); i++)
		follow(level, table_entry(t->shadow, i), 0);
	table_done(t);
}

void table_slots(uint64_t frame, struct table *t, unsigned int slot, bool on)
{
	uint64_t bit = 1ull << (slot & 63);
	unsigned int i;

	if (on)
		t->slots[slot >> 6] |= bit;
	else
		t->slots[slot >> 6] &= ~bit;
	publish(frame, t);
	if (on) {
		t->slots[slot >> 6] &= ~bit;
		if (!table_read(t))
			return;
		t->slots[slot >> 6] |= bit;
	}
	for (i = slot * 4; i < slot * 4 + 4; i++)
		follow(3, on ? 0 : table_entry(t->shadow, i), on ? table_entry(t->shadow, i) : 0);
	table_done(t);
}

void table_done(struct table *t)
{
	unsigned int level;

	for (level = 2; level <= MAX_LEVELS; level++)
		if (t->uses[level])
			return;
	if (t->slots[0] | t->slots[1])
		return;
	free(t->shadow);
	t->shadow = NULL;
}
