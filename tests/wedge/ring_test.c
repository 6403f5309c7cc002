/*
 * ring_test.c: the ring's header by itself. Compiled as C and as C++, by gcc and by clang.
 * Prints one line a check: "ok NAME" or "FAIL NAME".
 */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>

#include "../../services/wedges/include/reheat_ring.h"

static void check(const char *name, int condition)
{
	printf("%s %s\n", condition ? "ok" : "FAIL", name);
}

static void *ring(rh_u64 capacity)
{
	void *memory = aligned_alloc(4096, RH_HEADER_BYTES + capacity * RH_RECORD_BYTES + 4096);

	memset(memory, 0, RH_HEADER_BYTES + capacity * RH_RECORD_BYTES);
	return memory;
}

static int push(struct rh_producer *p, rh_u64 ip, rh_u8 flags)
{
	return rh_push(p, ip, 0xfee000b0, RH_DEVICE_WRITE, 4, RH_TARGET_BY_ADDRESS, 3, 1, flags);
}

static void layout(void)
{
	check("record: 32 bytes", sizeof(struct rh_record) == RH_RECORD_BYTES);
	check("record: target at 24, flags at 30", offsetof(struct rh_record, target) == 24 &&
	      offsetof(struct rh_record, flags) == 30);
	check("header: fits", sizeof(struct rh_ring_header) <= RH_HEADER_BYTES);
	check("header: head at 64, closed at 112, tail at 128, hits at 192", offsetof(struct rh_ring_header, head) == 64 &&
	      offsetof(struct rh_ring_header, closed) == 112 && offsetof(struct rh_ring_header, tail) == 128 &&
	      offsetof(struct rh_ring_header, hits) == 192 && offsetof(struct rh_ring_header, dropped_hits) == 200);
	check("code: entry of 24 bytes, count at 64", sizeof(struct rh_code_entry) == 24 &&
	      offsetof(struct rh_code_header, count) == 64);
}

static void format(void)
{
	struct rh_ring_header *h = (struct rh_ring_header *)ring(8);

	check("format: refuses capacity 0", rh_ring_format(h, 0, 0, 1, 1, 1) == -1);
	check("format: refuses capacity 12", rh_ring_format(h, 0, 12, 1, 1, 1) == -1);
	check("format: refuses more than a consumer takes", rh_ring_format(h, 0, 2ull * RH_MAX_CAPACITY, 1, 1, 1) == -1);
	check("format: refuses epoch 0", rh_ring_format(h, 0, 8, 0, 1, 1) == -1);
	check("format: leaves no magic when it refuses", h->magic == 0);
	check("format: takes 8", rh_ring_format(h, 5, 8, 77, 99, 4242) == 0);
	check("format: fields", h->magic == RH_RING_MAGIC && h->version == RH_FORMAT_VERSION && h->ring == 5 &&
	      h->capacity == 8 && h->epoch == 77 && h->created_unix_ns == 99 && h->producer_pid == 4242 &&
	      h->header_bytes == 4096 && h->record_bytes == 32);
	check("format: magic reads HEATRING", !memcmp(h, "HEATRING", 8));
	free(h);
}

static void push_and_drop(void)
{
	struct rh_ring_header *h = (struct rh_ring_header *)ring(8);
	struct rh_producer p;
	int i, taken = 0;

	rh_ring_format(h, 0, 8, 1, 1, 1);
	rh_producer_attach(&p, h);
	for (i = 0; i < 8; i++)
		taken += push(&p, 0x1000 + (rh_u64)i, i % 2 ? RH_CONTINUED : 0);
	check("push: a ring of 8 takes 8", taken == 8 && h->head == 8);
	check("push: continued records are no traps", h->traps == 4);
	check("push: the record", p.records[3].ip == 0x1003 && p.records[3].access == 0xfee000b0 &&
	      p.records[3].sequence == 3 && p.records[3].vcpu == 3 && p.records[3].size == 4 &&
	      p.records[3].elements == 1 && p.records[3].flags == RH_CONTINUED && p.records[3].reserved == 0 &&
	      p.records[3].operation == RH_DEVICE_WRITE && p.records[3].target == RH_TARGET_BY_ADDRESS);
	check("full: not taken", push(&p, 1, 0) == 0 && push(&p, 1, RH_CONTINUED) == 0);
	check("full: counted", h->dropped_traps == 1 && h->dropped_records == 2 && h->traps == 5 && h->head == 8);
	check("full: nothing is overwritten", p.records[0].ip == 0x1000);
	__atomic_store_n(&h->tail, 3, __ATOMIC_RELEASE);
	for (i = 0, taken = 0; i < 5; i++)
		taken += push(&p, 0x2000, 0);
	check("wrap: three more after three were consumed", taken == 3 && h->head == 11);
	check("wrap: slots and sequence", p.records[2].sequence == 10 && p.records[3].sequence == 3);
	check("traps = records + dropped", h->traps == 4 + 1 + 5 && h->dropped_traps == 3);
	check("open", h->closed == 0);
	rh_close(&p);
	check("closed", h->closed == 1);
	free(h);
}

static void hits(void)
{
	struct rh_ring_header *h = (struct rh_ring_header *)ring(4);
	struct rh_producer p;

	rh_ring_format(h, 0, 4, 1, 1, 1);
	rh_producer_attach(&p, h);
	push(&p, 1, RH_HIT), push(&p, 1, RH_HIT | RH_CONTINUED), push(&p, 2, 0), push(&p, 3, RH_HIT);
	check("hits: no traps, and continued ones no hits", h->hits == 2 && h->traps == 1);
	check("hits: the record says it", p.records[1].flags == (RH_HIT | RH_CONTINUED));
	push(&p, 4, RH_HIT), push(&p, 5, 0), push(&p, 4, RH_HIT | RH_CONTINUED);
	check("hits: dropped apart", h->hits == 3 && h->dropped_hits == 1 && h->traps == 2 && h->dropped_traps == 1 &&
	      h->dropped_records == 3);
	free(h);
}

/* Counts of a wedge that rewrites: what finds no room is not lost but left with the caller. */
static void counted(void)
{
	struct rh_ring_header *h = (struct rh_ring_header *)ring(4);
	struct rh_producer p;

	rh_ring_format(h, 0, 4, 1, 1, 1);
	rh_producer_attach(&p, h);
	check("counted: taken", rh_push_hits(&p, 1, 2, RH_DEVICE_READ, 4, 5, 0, 0xffffffff, 0) == 1 &&
	      rh_push_hits(&p, 1, 2, RH_DEVICE_READ, 4, 5, 0, 7, RH_CONTINUED) == 1);
	check("counted: executions, and of further elements none", h->hits == 0xffffffff && h->traps == 0);
	check("counted: the record", p.records[0].elements == 0xffffffff && p.records[0].flags == (RH_HIT | RH_COUNTED) &&
	      p.records[1].elements == 7 && p.records[1].flags == (RH_HIT | RH_COUNTED | RH_CONTINUED) && p.records[1].sequence == 1);
	push(&p, 3, 0), push(&p, 3, 0);
	check("counted: a full ring takes nothing and counts nothing", !rh_has_room(&p) && rh_push_hits(&p, 1, 2, RH_DEVICE_READ, 4, 5, 0, 9, 0) == 0 &&
	      h->hits == 0xffffffff && h->dropped_hits == 0 && h->dropped_records == 0 && h->head == 4);
	__atomic_store_n(&h->tail, 1, __ATOMIC_RELEASE);
	check("counted: and again when there is room", rh_push_hits(&p, 1, 2, RH_DEVICE_READ, 4, 5, 0, 9, 0) == 1 && h->hits == 0x100000008ull);
	rh_drop_hits(&p, 11);
	check("counted: what is left at the end is dropped", h->hits == 0x100000013ull && h->dropped_hits == 11 && h->dropped_records == 1 && h->traps == 2);
	free(h);
}

static void sequence_wraps(void)
{
	struct rh_ring_header *h = (struct rh_ring_header *)ring(4);
	struct rh_producer p;

	rh_ring_format(h, 0, 4, 1, 1, 1);
	h->head = h->tail = 0xfffffffeull;
	rh_producer_attach(&p, h);
	push(&p, 1, 0), push(&p, 2, 0), push(&p, 3, 0);
	check("sequence: low half of a position past 2^32", h->head == 0x100000001ull && p.records[0].sequence == 0 &&
	      p.records[0].ip == 3);
	check("attach: goes on where the ring stands", p.head == h->head);
	free(h);
}

#define MANY 3000000u

static void *produce(void *data)
{
	struct rh_producer p;
	rh_u64 i;

	rh_producer_attach(&p, data);
	for (i = 0; i < MANY; i++)
		rh_push(&p, i, ~i, RH_DEVICE_READ, 8, 1, 0, 1, 0);
	rh_close(&p);
	return NULL;
}

/* A consumer beside a producer that never waits: whole records in order, and taken + dropped = all. */
static void two_threads(void)
{
	struct rh_ring_header *h = (struct rh_ring_header *)ring(256);
	struct rh_record *records = (struct rh_record *)((char *)h + RH_HEADER_BYTES);
	rh_u64 tail = 0, head, last = 0, bad = 0;
	int closed;
	pthread_t thread;

	rh_ring_format(h, 0, 256, 1, 1, 1);
	pthread_create(&thread, NULL, produce, h);
	do {
		closed = (int)__atomic_load_n(&h->closed, __ATOMIC_ACQUIRE);
		head = __atomic_load_n(&h->head, __ATOMIC_ACQUIRE);
		for (; tail < head; tail++) {
			struct rh_record *r = &records[tail & 255];

			bad += r->sequence != (rh_u32)tail || r->access != ~r->ip || (tail && r->ip <= last);
			last = r->ip;
		}
		__atomic_store_n(&h->tail, tail, __ATOMIC_RELEASE);
	} while (!closed);
	pthread_join(thread, NULL);
	check("two threads: whole and in order", bad == 0);
	check("two threads: taken + dropped = all", tail == h->head && tail + h->dropped_records == MANY &&
	      h->traps == MANY && h->dropped_traps == h->dropped_records);
	free(h);
}

int main(void)
{
	layout();
	format();
	push_and_drop();
	hits();
	counted();
	sequence_wraps();
	two_threads();
	return 0;
}
