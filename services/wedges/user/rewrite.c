/*
 * rewrite.c: which sites become jumps to their thunks. A record is believed only as far as the code bears it out: one instruction that the
 * wedge can do, padding to the end, and nothing that leads into the middle. To find what leads there, all of the program's code is
 * walked: jumps, calls, addresses and constants in instructions; and all of its memory is looked through for such addresses, at every byte.
 * What stays unseen is an address that is computed (tables of distances are): the bytes behind the jump catch who comes there. What is not
 * rewritten traps as before, and is reported with its reason.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "user.h"

#define JUMP_BYTES	5u
#define LONGEST		64u		/* of a site, as everywhere in Reheat */
#define THUNK_ROOM	272u
#define SITES_AT	(LOW_AREA + (1ull << 20))
#define TRAP_BYTE	0xcc		/* int3, behind the jump */

struct site *sites;
unsigned int n_sites, n_rewritten;

static uint8_t *seen;			/* of each site: the walk met its instruction */
static struct record *left_out;		/* records that are no site of their own */
static const char **left_out_why;
static unsigned int n_left_out;

static int by_address(const void *a, const void *b)
{
	const struct record *x = a, *y = b;

	return x->start != y->start ? (x->start < y->start ? -1 : 1) : (x->end > y->end) - (x->end < y->end);
}

static void leave_out(const struct record *r, const char *why)
{
	left_out_why[n_left_out] = why;
	left_out[n_left_out++] = *r;
}

/* What can be said of the record by itself; NULL if it is fine. */
static const char *judge(struct site *s)
{
	const uint8_t *code = machine_at(s->start);
	uint64_t length = s->end - s->start, at, n;
	const char *fault;

	if (!strcmp(s->section, ".afterburn"))
		return "a sensitive instruction (class 1): this wedge rewrites accesses only";
	fault = form_decode(&s->form, code, length);
	if (fault)
		return fault;
	memcpy(s->bytes, code, s->form.length);
	for (at = s->form.length; at < length; at += n) {
		n = insn_length(code + at, length - at);
		if (!n || !insn_is_nop(code + at, n))
			return "more than one instruction and padding";
	}
	return length < JUMP_BYTES ? "too short for a jump of 5 bytes" : NULL;
}

static int take_records(void)
{
	struct record *r = program.records;
	uint64_t bytes = (program.n_records + 1) * sizeof(*sites), last = 0;
	unsigned int i;

	qsort(r, program.n_records, sizeof(*r), by_address);
	left_out = calloc(program.n_records + 1, sizeof(*left_out));
	left_out_why = calloc(program.n_records + 1, sizeof(*left_out_why));
	sites = mmap((void *)SITES_AT, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (!left_out || !left_out_why || sites != (void *)SITES_AT) {
		fprintf(stderr, "reheat-user: no room for %u sites\n", program.n_records);
		return -1;
	}
	for (i = 0; i < program.n_records; i++) {
		struct site *before = n_sites ? &sites[n_sites - 1] : NULL;

		if (!r[i].start && !r[i].end)
			continue;	/* of code that the linker threw away */
		if (r[i].end <= r[i].start || r[i].end - r[i].start > LONGEST)
			leave_out(&r[i], "expected an end behind the start, by at most 64 bytes");
		else if (!program_is_code(r[i].start, r[i].end))
			leave_out(&r[i], "not within a section of code");
		else if (before && before->start == r[i].start && before->end == r[i].end)
			continue;	/* one site with two targets */
		else if (r[i].start < last)
			leave_out(&r[i], "overlaps the record before it");
		else {
			last = r[i].end;
			sites[n_sites] = (struct site){ .start = r[i].start, .end = r[i].end, .section = r[i].section };
			sites[n_sites].refused = judge(&sites[n_sites]);
			n_sites++;
		}
	}
	return 0;
}

/* The site that has the address anywhere behind its first byte, or NULL. */
static struct site *inside(uint64_t address)
{
	unsigned int low = 0, high = n_sites, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (sites[middle].start < address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < sites[low - 1].end ? &sites[low - 1] : NULL;
}

static void enterable(uint64_t address, const char *why)
{
	struct site *s = inside(address);

	if (s && !s->refused)
		s->refused = why;
}

static void look_at(const uint8_t *code, size_t length, uint64_t ip)
{
	struct site *s = inside(ip + 1);
	uint64_t to, wide;
	uint32_t word;

	if (s && s->start == ip && length == s->form.length)
		seen[s - sites] = 1;
	else if (s && s->start < ip && ip < s->start + s->form.length)
		s->refused = s->refused ? s->refused : "its instruction is not one of the code around it";
	if (insn_target(code, length, ip, &to))
		enterable(to, "a jump leads into it");
	if (insn_relative(code, length, ip, &to))
		enterable(to, "an instruction names an address in it");
	if (length >= 5) {
		memcpy(&word, code + length - sizeof(word), sizeof(word));
		enterable(word, "an instruction has an address in it as a constant");
	}
	if (length > 8) {		/* movabs */
		memcpy(&wide, code + length - sizeof(wide), sizeof(wide));
		enterable(wide, "an instruction has an address in it as a constant");
	}
}

static void refuse_in(uint64_t start, uint64_t end, const char *why)
{
	unsigned int i;

	for (i = 0; i < n_sites; i++)
		if (sites[i].start < end && sites[i].end > start && !sites[i].refused)
			sites[i].refused = why;
}

/* From a start that is known; where the bytes are no code, to the end. */
static void walk(uint64_t start, uint64_t end)
{
	uint64_t ip = start;
	size_t n;

	while (ip < end) {
		n = insn_length(machine_at(ip), end - ip);
		if (!n) {
			refuse_in(start, end, "the code around it cannot be decoded");
			return;
		}
		look_at(machine_at(ip), n, ip);
		ip += n;
	}
}

/* Pointers, aligned or not. */
static void look_through_memory(void)
{
	uint64_t at, word, low, high;

	if (!n_sites)
		return;
	low = sites[0].start;
	high = sites[n_sites - 1].end;
	for (at = machine_memory.low; at + sizeof(word) <= machine_memory.high; at++) {
		memcpy(&word, machine_at(at), sizeof(word));
		if (unlikely(word > low && word < high))
			enterable(word, "an address in it stands in memory");
	}
}

static void walk_all(void)
{
	unsigned int i, f = 0;
	uint64_t at, end;

	for (i = 0; i < program.codes; i++) {
		for (at = program.code[i].start; at < program.code[i].end; at = end) {
			while (f < program.n_functions && program.functions[f].start < at)
				f++;
			end = program.code[i].end;
			if (f < program.n_functions && program.functions[f].start == at)
				end = program.functions[f].end;
			else if (f < program.n_functions && program.functions[f].start < end)
				end = program.functions[f].start;	/* code without a symbol before it */
			walk(at, end);
		}
	}
	for (i = 0; i < program.n_labels; i++)
		enterable(program.labels[i], "a symbol names a place in it");
	enterable(program.entry, "the program begins in it");
	look_through_memory();
	for (i = 0; i < n_sites; i++)
		if (!sites[i].refused && !seen[i])
			sites[i].refused = "its instruction is not one of the code around it";
}

static void write_jump(const struct site *s, uint64_t thunk)
{
	unsigned char *code = machine_at(s->start);
	uint32_t distance = (uint32_t)(thunk - (s->start + JUMP_BYTES));

	memset(code, TRAP_BYTE, s->end - s->start);
	code[0] = 0xe9;
	memcpy(code + 1, &distance, sizeof(distance));
}

int rewrite_all(void)
{
	uint64_t room, thunk;
	unsigned char *code;
	unsigned int i;

	if (take_records())
		return -1;
	seen = calloc(n_sites + 1, 1);
	if (!seen)
		return -1;
	walk_all();
	room = (n_sites * (uint64_t)THUNK_ROOM + 2 * PAGE) & ~(PAGE - 1);
	code = (unsigned char *)((SITES_AT + (program.n_records + 1) * sizeof(*sites) + PAGE - 1) & ~(PAGE - 1));
	if (mmap(code, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) != code || thunk_open(code, room)) {
		fprintf(stderr, "reheat-user: no room for thunks\n");
		return -1;
	}
	for (i = 0; i < n_sites && options.rewrite; i++) {
		if (sites[i].refused)
			continue;
		thunk = thunk_make(&sites[i]);
		if (!thunk) {
			sites[i].refused = "no room for its thunk";
			continue;
		}
		write_jump(&sites[i], thunk);
		n_rewritten++;
	}
	return mprotect(code, room, PROT_READ | PROT_EXEC);
}

void rewrite_report(FILE *out)
{
	unsigned int i, t, k;

	for (i = 0; i < n_sites; i++) {
		const struct site *s = &sites[i];
		uint64_t hits = 0;

		for (t = 0; t < TARGETS; t++)
			for (k = READ; k <= EXCHANGE; k++)
				hits += s->count[t][k];
		if (s->refused || !options.rewrite)
			fprintf(out, "0x%llx-0x%llx %s refused: %s\n", (unsigned long long)s->start, (unsigned long long)s->end, s->section,
				s->refused ? s->refused : "rewriting is off");
		else
			fprintf(out, "0x%llx-0x%llx %s rewritten: %llu hits\n", (unsigned long long)s->start, (unsigned long long)s->end,
				s->section, (unsigned long long)hits);
	}
	for (i = 0; i < n_left_out; i++)
		fprintf(out, "0x%llx-0x%llx %s refused: %s\n", (unsigned long long)left_out[i].start, (unsigned long long)left_out[i].end,
			left_out[i].section, left_out_why[i]);
}
