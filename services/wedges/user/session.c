/*
 * session.c: what is recorded. One ring, as one thread runs the guest; traps go into it as they happen, hits as counts: a record tells how often
 * a site was executed since the last one. What the ring has no room for stays in the site's counter and goes the next time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../include/reheat_session.h"
#include "user.h"

#define MOST_AT_ONCE	0xffffffffull
#define CODE_CAPACITY	(1u << 16)

static struct rh_session session;
static struct rh_producer ring;
static uint8_t *told;			/* bit for each byte of the guest's memory: the code file has the instruction there */

static int complain(void)
{
	fprintf(stderr, "reheat-user: %s%s%s: %s: %s\n", session.path, session.failed_name[0] ? "/" : "", session.failed_name, session.failed,
		strerror(errno));
	return -1;
}

/* What wedge.info says besides who the wedge is. The caller frees it. */
static char *further(void)
{
	unsigned int i;
	char *text;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	if (!out)
		return NULL;
	fprintf(out, "arch x86_64\ncapacity %llu\nrewritten %u\n", (unsigned long long)options.capacity, n_rewritten);
	for (i = 0; i < program.codes; i++)
		fprintf(out, "inside 0x%llx-0x%llx\n", (unsigned long long)program.code[i].start, (unsigned long long)program.code[i].end);
	for (i = 1; i < TARGETS; i++)
		fprintf(out, "target %s\n", machine_targets[i]);
	return fclose(out) ? NULL : text;
}

int session_open(void)
{
	char *text = further();
	void *memory;

	told = calloc((machine_memory.high - machine_memory.low) / 8, 1);
	if (!told || !text)
		return -1;
	if (rh_session_open(&session, options.directory) || rh_session_info(&session, "user", WEDGE_VERSION, options.guest, text) ||
	    rh_session_code(&session, CODE_CAPACITY) || !(memory = rh_session_ring(&session, 0, options.capacity)))
		return complain();
	free(text);
	rh_producer_attach(&ring, memory);
	return 0;
}

static void tell(uint64_t ip, const uint8_t *bytes, size_t length)
{
	uint64_t at = ip - machine_memory.low;

	if (told[at / 8] & 1u << at % 8)
		return;
	told[at / 8] |= (uint8_t)(1u << at % 8);
	rh_session_tell(&session, ip, bytes, length);
}

static uint8_t operation(uint8_t target, unsigned int intent)
{
	return (uint8_t)((target >= TARGET_PT ? RH_PT_READ : RH_DEVICE_READ) + intent);
}

void session_trap(uint64_t ip, const struct form *form, uint8_t target, enum intent intent, uint64_t address, unsigned int size, bool more)
{
	tell(ip, machine_at(ip), form->length);
	rh_push(&ring, ip, address, operation(target, intent), (uint8_t)size, (rh_u16)(target - 1), 0, 1, more ? RH_CONTINUED : 0);
}

/* Pushes the difference, in as many records as it takes; false if the ring is full. */
static bool push(const struct site *s, uint8_t target, unsigned int intent, uint64_t now, uint64_t *before, uint8_t flags)
{
	uint64_t base = target < TARGET_PT ? machine_devices[target].base : 0, n;

	while (*before != now) {
		n = now - *before < MOST_AT_ONCE ? now - *before : MOST_AT_ONCE;
		if (!rh_push_hits(&ring, s->start, base, operation(target, intent), s->form.size, (rh_u16)(target - 1), 0, (rh_u32)n, flags))
			return false;
		*before += n;
	}
	return true;
}

/* Executions first: their further elements then follow them in the ring, however full it is. */
static bool drain(struct site *s, uint8_t target, unsigned int intent)
{
	uint64_t count = s->count[target][intent], more = s->more[target][intent];

	if (count == s->told[target][intent] && more == s->told_more[target][intent])
		return true;
	tell(s->start, s->bytes, s->form.length);
	return push(s, target, intent, count, &s->told[target][intent], 0) &&
	       push(s, target, intent, more, &s->told_more[target][intent], RH_CONTINUED);
}

void session_drain(void)
{
	unsigned int i, target, intent;

	for (i = 0; i < n_sites; i++)
		for (target = 1; target < TARGETS; target++)
			for (intent = READ; intent <= EXCHANGE; intent++)
				if (!drain(&sites[i], (uint8_t)target, intent))
					return;
}

void session_close(void)
{
	unsigned int i, target, intent;

	session_drain();
	for (i = 0; i < n_sites; i++)
		for (target = 1; target < TARGETS; target++)
			for (intent = READ; intent <= EXCHANGE; intent++)
				rh_drop_hits(&ring, sites[i].count[target][intent] - sites[i].told[target][intent]);
	rh_close(&ring);
}

void session_totals(uint64_t *traps, uint64_t *hits, uint64_t *dropped)
{
	*traps = ring.header->traps;
	*hits = ring.header->hits;
	*dropped = ring.header->dropped_traps + ring.header->dropped_hits;
}
