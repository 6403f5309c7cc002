/*
 * reheat_ring.h: the ring between a wedge and its agent. One header, no dependency; usable in a kernel, an
 * emulator's plugin or a user-space program, in C11 and C++11 with GNU atomics.
 *
 * Layout. A session is a directory; the wedge creates it and everything in it:
 *
 *	wedge.info	text, "key value" a line: kind, version, guest, pid-namespace (the inode number of
 *			/proc/self/ns/pid, to which producer_pid belongs); further keys are the wedge's own
 *	ring-N		one ring for each producer N (a vCPU, a CPU, a thread)
 *	code		the bytes of each recorded instruction, once a site (struct rh_code_header below)
 *	memory-map	text, optional: what was at which physical address when the wedge ended, for records with RH_TARGET_BY_ADDRESS
 *			(rh_session_memory_map in reheat_session.h); there before the rings are closed
 *
 * wedge.info comes first. Each file is made under a name that begins with a dot and gets its own by link(2), so that it
 * appears whole and no session takes another's place; the blocks of a file are reserved, because a full disk would
 * otherwise kill the producer (SIGBUS). Rings may be added while the session runs. reheat_session.h does all this for a Linux process;
 * example/example.c is a whole wedge; "reheat wedge check DIR" says what of this contract a session does not keep.
 *
 * A ring is a file that both sides map shared: a header of RH_HEADER_BYTES, then 2^n records of fixed size.
 * Positions are 64-bit counts of records that only grow; record P lives in slot P & (capacity - 1). Bytes that have no name here are 0.
 *
 * Contract, in this order: who may write, memory order, wrap and full, counters, attach and detach, crash of either side, versions.
 *  - One producer and one consumer per ring. The producer alone writes head, the counters and records; the consumer
 *    alone writes tail and the consumer fields. A consumer holds a lock on the ring's whole file (fcntl F_OFD_SETLK,
 *    F_WRLCK) for as long as it consumes; consumer_pid is for people (process numbers mean nothing in another PID namespace, or once used again).
 *  - The producer fills a record, then stores head with release order. The consumer loads head with acquire order,
 *    so that it never sees a record half written. The consumer stores tail with release order once a record is safe
 *    elsewhere (acknowledged by a collector, or synced to a spool); the producer loads tail with acquire order before
 *    it overwrites a slot.
 *  - Pace: the producer's cache line is written at every push, so a consumer that spins on head makes each push wait for it. A consumer
 *    looks, takes all that is below in batches, and waits; tail may move on as seldom as the ring's size allows.
 *  - Wrap: a slot is free once its record is below tail, so tail <= head <= tail + capacity at every moment. A producer may
 *    remember the tail that it saw last; it can only have moved on.
 *  - A full ring drops: the producer counts and goes on. A producer never waits. Drops travel as absolute counts, so
 *    that reading them twice is harmless.
 *  - traps counts executions, records counts what was pushed: head == records written. A "rep" string instruction
 *    pushes one record per element; all but an execution's first carry RH_CONTINUED and are no traps of their own.
 *    So traps == records pushed without RH_CONTINUED and RH_HIT + dropped_traps, always but in the middle of a push,
 *    where traps is one ahead: a producer that was killed there leaves it so, and that one trap was not recorded. traps (or hits) is
 *    stored before what it is ahead of, so a consumer that loads it last never finds more recorded and dropped than trapped.
 *  - A record with RH_HIT is an execution of an annotated site that a rewriting wedge would not trap; an observing wedge
 *    records it all the same. Hits are no traps and have counters of their own, just as exact:
 *    hits == records pushed with RH_HIT and without RH_CONTINUED + dropped_hits.
 *  - A wedge that rewrites counts hits at the site itself and pushes, now and then and at its end, how many there were since:
 *    a record with RH_COUNTED stands for as many executions as its elements say, each of one element; with RH_CONTINUED for further
 *    elements of executions that other records stand for. It counts so in the sum above. What finds the ring full stays in the site's
 *    counter and is pushed later; only what is left at the end is dropped, and counted so. Only hits are counted, traps are records each.
 *  - A site's bytes are in the code file before its first record is below head.
 *  - Whoever wants the last record loads closed (acquire) before head: what is below a head loaded then is all.
 *  - A record's sequence is the low half of its position. A consumer that finds another value has met a corrupted
 *    record (or a bug), reports it, counts it and goes on with the next.
 *  - Attach: a consumer locks the file, says its consumer_pid and begins at tail; one that does not get the lock goes away. A
 *    producer attaches to a ring that it has formatted (rh_ring_format, rh_producer_attach). Neither waits for the other to be there.
 *  - Detach: a consumer sets consumer_pid to 0 and lets go of the lock, and tail stays. A producer stores closed (rh_close), after its
 *    last record and with release order; it pushes nothing more, and the file stays.
 *  - A producer that is gone without closing is found out by producer_pid, and only by a consumer in the same PID
 *    namespace, which wedge.info tells. In another one, or if the wedge is no process (a kernel), a ring ends by closed
 *    alone, or when the consumer is told that the wedge has ended (reheat agent --ended).
 *  - Crash of the producer: what is below head is whole and stays readable; the file is never reused. A restarted
 *    wedge makes a new session (another directory) with a new epoch.
 *  - Crash of the consumer: tail stays where it was, the lock is gone with it; the next consumer begins there. Nothing is lost until the
 *    ring is full.
 *  - The format version changes with any change of meaning. A consumer refuses versions it does not know. Version 2 added
 *    RH_HIT and its counters, version 3 RH_COUNTED; an older ring has none of them and reads as one of version 3 without.
 *
 * All fields are little endian; x86 is the only guest so far.
 */
#ifndef REHEAT_RING_H
#define REHEAT_RING_H

#ifdef __cplusplus
extern "C" {
#endif

#if !defined(__KERNEL__)
#include <stdint.h>
typedef uint8_t rh_u8;
typedef uint16_t rh_u16;
typedef uint32_t rh_u32;
typedef uint64_t rh_u64 __attribute__((aligned(8)));	/* also in 32-bit code */
#else
#include <linux/types.h>
typedef u8 rh_u8;
typedef u16 rh_u16;
typedef u32 rh_u32;
typedef u64 rh_u64 __attribute__((aligned(8)));
#endif

#define RH_RING_MAGIC		0x474e495254414548ull	/* "HEATRING" */
#define RH_CODE_MAGIC		0x45444f4354414548ull	/* "HEATCODE" */
#define RH_FORMAT_VERSION	3u
#define RH_HEADER_BYTES		4096u
#define RH_RECORD_BYTES		32u
#define RH_MAX_CAPACITY		(1u << 28)		/* records; 8 GiB. What is larger no consumer takes. */
#define RH_DEFAULT_CAPACITY	(1u << 21)		/* 64 MiB a ring: a whole boot that scrolls a VGA console, page tables included */

/* What the instruction intended (design: "operation"). The same values as in the database. */
enum rh_operation {
	RH_DEVICE_READ = 1,
	RH_DEVICE_WRITE = 2,
	RH_DEVICE_EXCHANGE = 3,		/* read and write by one instruction */
	RH_PT_READ = 4,
	RH_PT_WRITE = 5,
	RH_PT_EXCHANGE = 6,
	RH_SENSITIVE = 7,		/* class 1 */
};

/* rh_record.flags */
#define RH_CONTINUED		0x01u	/* further element of the execution begun by an earlier record of the same site */
#define RH_ACCESS_VIRTUAL	0x02u	/* access is guest-virtual; otherwise it is guest-physical */
#define RH_HIT			0x04u	/* by an annotated site: no trap where the wedge rewrites */
#define RH_COUNTED		0x08u	/* with RH_HIT: elements are as many executions, or, with RH_CONTINUED, further elements */

/* rh_record.target: an index into the session's target names, or: */
#define RH_TARGET_BY_ADDRESS	0xffffu	/* the consumer names it from the physical address */

struct rh_record {
	rh_u64 ip;		/* address of the instruction as the guest runs it, load bias included */
	rh_u64 access;		/* address that was touched */
	rh_u32 elements;	/* at least 1 */
	rh_u32 sequence;	/* low half of the record's position */
	rh_u16 target;
	rh_u16 vcpu;
	rh_u8 operation;	/* enum rh_operation */
	rh_u8 size;		/* bytes of one element: 1, 2, 4, 8, 16, 32 or 64 */
	rh_u8 flags;
	rh_u8 reserved;		/* 0 */
};

/* Producer's and consumer's fields stand on cache lines of their own. */
struct rh_ring_header {
	rh_u64 magic;
	rh_u32 version;
	rh_u32 header_bytes;		/* RH_HEADER_BYTES */
	rh_u32 record_bytes;		/* RH_RECORD_BYTES */
	rh_u32 ring;			/* number within the session */
	rh_u64 capacity;		/* records, a power of two up to RH_MAX_CAPACITY */
	rh_u64 epoch;			/* random, the same in all rings of a session, never 0 */
	rh_u64 created_unix_ns;
	rh_u32 producer_pid;
	rh_u32 pad0;

	rh_u64 head __attribute__((aligned(64)));
	rh_u64 traps;			/* executions pushed or dropped */
	rh_u64 dropped_traps;		/* executions that found the ring full */
	rh_u64 dropped_records;		/* records that found the ring full, continued ones included */
	rh_u64 outside_traps;		/* executions by code outside every registered image, never pushed */
	rh_u64 spurious;		/* accesses taken for a device's and found to be none, never pushed; see the wedge */
	rh_u32 closed;			/* 1: the producer ended in order; nothing more will come */
	rh_u32 pad1;

	rh_u64 tail __attribute__((aligned(64)));
	rh_u32 consumer_pid;		/* 0: none attached; the lock tells */
	rh_u32 pad2;

	rh_u64 hits __attribute__((aligned(64)));	/* the producer's again; executions of annotated sites, pushed or dropped */
	rh_u64 dropped_hits;		/* those that found the ring full; their records are in dropped_records */
};

/*
 * The code file: RH_HEADER_BYTES of header, then entries in order of first execution; append only. An address may
 * occur again with other bytes (code patched at run time); the last entry counts.
 */
struct rh_code_header {
	rh_u64 magic;
	rh_u32 version;
	rh_u32 entry_bytes;		/* sizeof(struct rh_code_entry) */
	rh_u64 epoch;
	rh_u64 capacity;		/* entries */
	rh_u64 count __attribute__((aligned(64)));	/* stored with release order */
	rh_u64 dropped;			/* sites that found the file full */
};

struct rh_code_entry {
	rh_u64 ip;
	rh_u8 length;			/* 1 to 15 */
	rh_u8 bytes[15];
};

/* A producer's private view of its ring; keep one per thread, away from other threads' cache lines. */
struct rh_producer {
	struct rh_ring_header *header;
	struct rh_record *records;
	rh_u64 mask;
	rh_u64 head;
	rh_u64 tail_seen;
};

static inline rh_u64 rh_ring_bytes(rh_u64 capacity)
{
	return RH_HEADER_BYTES + capacity * RH_RECORD_BYTES;
}

/*
 * Formats zeroed memory of rh_ring_bytes(capacity) as an empty ring; the magic is written last, so that a consumer
 * that finds it finds a whole header. Returns 0, or -1 if capacity is no power of two up to RH_MAX_CAPACITY, or epoch is 0.
 */
static inline int rh_ring_format(void *memory, rh_u32 ring, rh_u64 capacity, rh_u64 epoch,
				 rh_u64 created_unix_ns, rh_u32 pid)
{
	struct rh_ring_header *h = (struct rh_ring_header *)memory;

	if (capacity == 0 || capacity > RH_MAX_CAPACITY || (capacity & (capacity - 1)) != 0 || epoch == 0)
		return -1;
	h->version = RH_FORMAT_VERSION;
	h->header_bytes = RH_HEADER_BYTES;
	h->record_bytes = RH_RECORD_BYTES;
	h->ring = ring;
	h->capacity = capacity;
	h->epoch = epoch;
	h->created_unix_ns = created_unix_ns;
	h->producer_pid = pid;
	__atomic_store_n(&h->magic, RH_RING_MAGIC, __ATOMIC_RELEASE);
	return 0;
}

static inline void rh_producer_attach(struct rh_producer *p, void *memory)
{
	p->header = (struct rh_ring_header *)memory;
	p->records = (struct rh_record *)((char *)memory + RH_HEADER_BYTES);
	p->mask = p->header->capacity - 1;
	p->head = p->header->head;
	p->tail_seen = __atomic_load_n(&p->header->tail, __ATOMIC_ACQUIRE);
}

/* Counters have one writer: a plain add, published whole. */
static inline void rh_count(rh_u64 *counter, rh_u64 n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* The same, not before what was counted before it. */
static inline void rh_count_after(rh_u64 *counter, rh_u64 n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELEASE);
}

/* True if a record would be taken now. */
static inline int rh_has_room(struct rh_producer *p)
{
	if (__builtin_expect(p->head - p->tail_seen > p->mask, 0))
		p->tail_seen = __atomic_load_n(&p->header->tail, __ATOMIC_ACQUIRE);
	return p->head - p->tail_seen <= p->mask;
}

/* The common end of the functions below; not for callers. */
static inline void rh_put(struct rh_producer *p, rh_u64 ip, rh_u64 access, rh_u8 operation, rh_u8 size,
			  rh_u16 target, rh_u16 vcpu, rh_u32 elements, rh_u8 flags, rh_u64 executions)
{
	struct rh_ring_header *h = p->header;
	rh_u64 head = p->head;
	struct rh_record *r = &p->records[head & p->mask];

	r->ip = ip;
	r->access = access;
	r->elements = elements;
	r->sequence = (rh_u32)head;
	r->target = target;
	r->vcpu = vcpu;
	r->operation = operation;
	r->size = size;
	r->flags = flags;
	r->reserved = 0;
	p->head = head + 1;
	rh_count((flags & RH_HIT) ? &h->hits : &h->traps, executions);
	__atomic_store_n(&h->head, head + 1, __ATOMIC_RELEASE);
}

/* Pushes one record, or counts it as dropped. Returns 1 if it was taken. Never waits. */
static inline int rh_push(struct rh_producer *p, rh_u64 ip, rh_u64 access, rh_u8 operation, rh_u8 size,
			  rh_u16 target, rh_u16 vcpu, rh_u32 elements, rh_u8 flags)
{
	struct rh_ring_header *h = p->header;
	rh_u64 execution = (flags & RH_CONTINUED) ? 0 : 1;

	if (rh_has_room(p)) {
		rh_put(p, ip, access, operation, size, target, vcpu, elements, flags, execution);
		return 1;
	}
	rh_count((flags & RH_HIT) ? &h->hits : &h->traps, execution);
	rh_count_after(&h->dropped_records, 1);
	rh_count_after((flags & RH_HIT) ? &h->dropped_hits : &h->dropped_traps, execution);
	return 0;
}

/*
 * Pushes a count of hits, at least 1; flags is 0, or RH_CONTINUED for further elements of executions that were pushed. Returns 1 if
 * it was taken; otherwise nothing was counted, and the caller keeps the count for the next time.
 */
static inline int rh_push_hits(struct rh_producer *p, rh_u64 ip, rh_u64 access, rh_u8 operation, rh_u8 size,
			       rh_u16 target, rh_u16 vcpu, rh_u32 count, rh_u8 flags)
{
	if (!rh_has_room(p))
		return 0;
	rh_put(p, ip, access, operation, size, target, vcpu, count, (rh_u8)(flags | RH_HIT | RH_COUNTED), (flags & RH_CONTINUED) ? 0 : count);
	return 1;
}

/* At the producer's end: hits that the ring never took, of one site; the record that they had been counts as dropped. */
static inline void rh_drop_hits(struct rh_producer *p, rh_u64 executions)
{
	if (!executions)
		return;
	rh_count(&p->header->hits, executions);
	rh_count_after(&p->header->dropped_records, 1);
	rh_count_after(&p->header->dropped_hits, executions);
}

/* Says that the producer ended in order. */
static inline void rh_close(struct rh_producer *p)
{
	__atomic_store_n(&p->header->closed, 1, __ATOMIC_RELEASE);
}

#ifdef __cplusplus
}
#endif

#endif /* REHEAT_RING_H */
