/*
 * roots.c: the tables that everything begins with: those in the processors' CR3, and those of processes that will run again.
 *
 * Loads of CR3 are not waited for but noticed: their callback empties the vCPU's cache of RAM, so that the next access asks,
 * and asks here first. What a root is after another was loaded no processor tells. It is taken for alive until
 *
 *  - its part below the kernel is empty, and was not always: a kernel takes the user's part apart before it frees the root, or
 *  - the root that follows it shares no table with it: another kernel began (a boot loader's or firmware's tables are left).
 *
 * A root that comes back is read again from memory, so a wrong guess loses what happened to it meanwhile, and no more. A root
 * that has never been loaded is none: filling a table that no processor walks is no operation that a hypervisor would trap.
 */
#include <stdlib.h>

#include "tables.h"

#define NOWHERE		(~0ull)

static struct root *roots;

static bool has_slots(void)
{
	return table_mode.levels == 3;
}

static unsigned int slot_of(uint64_t address)
{
	return address >> 5 & 127;
}

/* The root's entries are [*first, returned). */
static unsigned int entries_of(const struct root *r, unsigned int *first)
{
	*first = has_slots() ? slot_of(r->address) * 4 : 0;
	return *first + (has_slots() ? 4 : table_entries());
}

/* Entries of a root that are below the kernel. 32-bit kernels say by their code where they begin; 3 GiB where none does. */
static unsigned int user_entries(void)
{
	uint64_t kernel = 0xc0000000;
	int i;

	if (table_mode.levels > 3)
		return 256;
	for (i = 0; i < options.ranges; i++)
		if (options.inside[i].low >= 1ull << 30 && options.inside[i].low < kernel)
			kernel = options.inside[i].low;
	return (unsigned int)(kernel >> (has_slots() ? 30 : 22));
}

static bool has_user(const struct root *r)
{
	const struct table *t = table_of(r->address >> 12);
	unsigned int first, end = user_entries();

	entries_of(r, &first);
	for (end += first; t && t->shadow && first < end; first++)
		if (table_entry(t->shadow, first) & 1)
			return true;
	return false;
}

static bool share(const struct root *a, const struct root *b)
{
	const struct table *of_a = table_of(a->address >> 12), *of_b = table_of(b->address >> 12);
	unsigned int first, of, i, n;

	n = entries_of(a, &first) - first;
	entries_of(b, &of);
	for (i = 0; of_a && of_b && of_a->shadow && of_b->shadow && i < n; i++) {
		uint64_t child = table_child(table_mode.levels, table_entry(of_a->shadow, first + i));

		if (child != NOWHERE && child == table_child(table_mode.levels, table_entry(of_b->shadow, of + i)))
			return true;
	}
	return false;
}

static struct root *find(uint64_t address)
{
	struct table *t = table_of(address >> 12);
	struct root *r = t ? t->roots : NULL;

	while (r && r->address != address)
		r = r->beside;
	return r;
}

static struct root *begin(uint64_t address)
{
	struct table *t = table_make(address >> 12);
	struct root *r = t ? calloc(1, sizeof(*r)) : NULL;

	if (!r)
		return NULL;
	r->address = address;
	r->beside = t->roots;
	r->next = roots;
	roots = t->roots = r;
	if (has_slots())
		table_slots(address >> 12, t, slot_of(address), true);
	else
		table_open(address >> 12, t, table_mode.levels);
	return r;
}

static void drop(struct root *r)
{
	uint64_t frame = r->address >> 12;
	struct table *t = table_of(frame);
	struct root **at;

	for (at = &roots; *at && *at != r; )
		at = &(*at)->next;
	if (*at)
		*at = r->next;
	for (at = t ? &t->roots : NULL; at && *at && *at != r; )
		at = &(*at)->beside;
	if (at && *at)
		*at = r->beside;
	if (t && has_slots())
		table_slots(frame, t, slot_of(r->address), false);
	else if (t && t->uses[table_mode.levels])
		table_close(frame, t, table_mode.levels);
	free(r);
}

/* True if it is known to be nobody's any more. */
static bool is_dead(struct root *r)
{
	if (has_user(r))
		r->lived = true;
	else if (r->lived)
		return !r->loaded;
	return false;
}

static void leave(struct root *old, struct root *now)
{
	if (--old->loaded == 0 && (is_dead(old) || (now && !share(old, now))))
		drop(old);
}

/* What was left before, and not judged because nothing followed it at once. */
static void drop_strangers(const struct root *now)
{
	struct root *r, *next;

	for (r = roots; r; r = next) {
		next = r->next;
		if (r != now && !r->loaded && !share(r, now))
			drop(r);
	}
}

/* Levels or the entries' size are others than so far: a machine between firmware and kernel, or reset. */
static void change_mode(struct paging mode)
{
	unsigned int i;

	for (i = 0; i < session_vcpus(); i++)
		if (vcpus[i] && vcpus[i]->root) {
			vcpus[i]->root = NULL;
			vcpus[i]->moved = 1;
		}
	while (roots) {
		roots->loaded = 0;
		drop(roots);
	}
	table_mode = mode;
}

/*
 * The numbers of the debugger stub's registers are not part of any interface: the walk from this root has to end where the
 * emulator's own walk ends.
 */
static bool agrees(struct vcpu *v, struct paging mode, uint64_t virtual)
{
	unsigned int level, bits = mode.entry == 8 ? 9 : 10;
	uint64_t at = mode.root, entry = 0, size, page = physical_walk(v, virtual);

	if (page == ~0ull)
		return true;		/* nothing to compare */
	for (level = mode.levels; level; level--) {
		const char *table = memory_frame(at >> 12);
		uint64_t index = virtual >> (12 + bits * (level - 1)) & ((1u << bits) - 1);

		if (!table)
			return true;
		entry = table_entry(table + (at & 0xfff), (unsigned int)index);
		if (!(entry & 1))
			return false;
		if (level > 1 && table_child(level, entry) == NOWHERE)
			break;
		at = mode.entry == 8 ? entry & 0x000ffffffffff000ull : entry & 0xfffff000;
	}
	size = 1ull << (12 + bits * (level ? level - 1 : 0));
	return ((entry ^ page) & 0x000ffffffffff000ull & ~(size - 1)) == 0 && ((virtual ^ page) & (size - 1) & ~0xfffull) == 0;
}

static void enter(struct vcpu *v, struct paging p, uint64_t virtual)
{
	struct root *old = v->root, *now = NULL;
	struct table *t;
	unsigned int first, end;

	if (p.root != NO_ROOT && (p.levels != table_mode.levels || p.entry != table_mode.entry)) {
		change_mode(p);
		old = NULL;
		if (!agrees(v, p, virtual)) {
			tables_give_up("the emulator's control registers are not where they were expected");
			return;
		}
	}
	if (p.root != NO_ROOT) {
		now = find(p.root);
		t = table_of(p.root >> 12);
		if (now && t && t->shadow) {
			end = entries_of(now, &first);
			table_sync(t, first, end);
		} else if (!now) {
			now = begin(p.root);
		}
	}
	if (now == old)
		return;
	v->root = now;
	if (now) {
		now->loaded++;
		if (has_user(now))
			now->lived = true;
	}
	if (now && (!old || !share(old, now)))
		drop_strangers(now);
	if (old)
		leave(old, now);
}

void tables_refresh(struct vcpu *v, uint64_t virtual)
{
	struct paging p;

	v->moved = 0;
	if (!table_frame_count)
		return;
	p = memory_paging(v);
	pthread_mutex_lock(&table_lock);
	enter(v, p, virtual);
	pthread_mutex_unlock(&table_lock);
}

void tables_stored(uint64_t physical, unsigned int bytes)
{
	struct table *t;
	unsigned int first, end;
	struct root *r, *beside;

	pthread_mutex_lock(&table_lock);
	t = table_of(physical >> 12);
	if (t && t->shadow) {
		first = (physical & 0xfff) / table_mode.entry;
		end = ((unsigned int)(physical & 0xfff) + bytes - 1) / table_mode.entry + 1;
		table_sync(t, first, end < table_entries() ? end : table_entries());
		for (r = t->roots; r; r = beside) {
			beside = r->beside;
			if (!r->loaded && is_dead(r))
				drop(r);
		}
	}
	pthread_mutex_unlock(&table_lock);
}

uint8_t tables_partly(uint64_t physical, uint8_t name)
{
	struct table *t;
	bool root;

	pthread_mutex_lock(&table_lock);
	t = table_of(physical >> 12);
	root = t && t->slots[(physical >> 11) & 1] >> (physical >> 5 & 63) & 1;
	pthread_mutex_unlock(&table_lock);
	return root ? TABLE_NAMES : name & ~TABLE_PARTLY;
}
