/*
 * tables.h: what tables.c and roots.c share. Everything here is done under table_lock, but for looking at table_frames.
 */
#ifndef REHEAT_TABLES_H
#define REHEAT_TABLES_H

#include <pthread.h>

#include "wedge.h"

#define MAX_LEVELS	5

/* A root of this moment or of another process that will run again. */
struct root {
	uint64_t address;
	struct root *beside;		/* in the same frame: three levels have roots of 32 bytes */
	struct root *next;		/* of all */
	unsigned int loaded;		/* vCPUs that have it in CR3 */
	bool lived;			/* it has had entries below the kernel's */
};

/* A frame that is or was a page table. Level 1 is that whose entries map pages only. */
struct table {
	unsigned int uses[MAX_LEVELS + 1];	/* by level: entries of live tables that lead here, and roots */
	uint64_t slots[2];			/* three levels: which 32-byte pieces are roots */
	void *shadow;				/* the entries as they were followed; none at level 1 */
	void *memory;				/* the guest's */
	struct root *roots;
};

extern struct paging table_mode;
extern pthread_mutex_t table_lock;

static inline unsigned int table_entries(void)
{
	return 4096u / table_mode.entry;
}

/* The frame's table if it ever was one; table_make: in any case, or NULL if there is no RAM (or memory). */
struct table *table_of(uint64_t frame);
struct table *table_make(uint64_t frame);

uint64_t table_entry(const void *entries, unsigned int i);
/* The frame that an entry of a table of this level leads to, or ~0. */
uint64_t table_child(unsigned int level, uint64_t entry);

/* One more leads to the frame as a table of this level; one less. */
void table_open(uint64_t frame, struct table *t, unsigned int level);
void table_close(uint64_t frame, struct table *t, unsigned int level);
/* Three levels: the piece of 32 bytes is a root; is no root any more. */
void table_slots(uint64_t frame, struct table *t, unsigned int slot, bool on);

/* Makes the shadow, or brings it up to date. False: no memory. */
bool table_read(struct table *t);
/* Follows entries that differ from the shadow. */
void table_sync(struct table *t, unsigned int first, unsigned int end);
/* Frees the shadow if nothing needs it any more. */
void table_done(struct table *t);

/* A store to a table that leads to others was followed: do roots in its frame live on? */
void roots_stored(struct table *t);

#endif
