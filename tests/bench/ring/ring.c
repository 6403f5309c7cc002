/*
 * ring.c: the producer's side of the ring bench. Times are of the thread's own processor time, so that they hold on a machine that others use too.
 *
 *	ring push CAPACITY ROUNDS	what a push costs, alone and beside a consumer, and a memcpy of as many bytes; prints JSON
 *	ring fill DIR CAPACITY		a session with one full ring, of the mix that a Linux guest's boot has
 *	ring flood DIR CAPACITY SECONDS	a session whose producer pushes as fast as it can, for so long
 */
#include <pthread.h>
#include <stdlib.h>

#include "reheat_session.h"

#define SITES		400
#define CODE_START	0xffffffff81000000ull
#define LAPIC		0xfee00000ull
#define E1000		0xfebc0000ull
#define VGA		0xb8000ull
#define VGA_BYTES	0x8000u

#define BATCH		65536u		/* AgentOptions.MaxBatchRecords */

static int stop, spins;

static double seconds(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void need(int done, const char *what)
{
	if (!done) {
		fprintf(stderr, "ring: %s: %s\n", what, strerror(errno));
		exit(1);
	}
}

static void *memory_of(rh_u64 bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	need(memory != MAP_FAILED, "mmap");
	return memory;
}

/*
 * Reads each record. As the agent does: looks at head, takes all that is below in batches, and waits. Or as fast as they come, which is the worst that
 * a consumer can do: each look takes the line of head and counters away from the producer, whose next push waits for it to come back.
 */
static void *consume(void *data)
{
	static const struct timespec between = { .tv_nsec = 1000000 };	/* the agent waits 200 ms, in which this ring would be full */
	struct rh_ring_header *h = (struct rh_ring_header *)data;
	const struct rh_record *records = (const struct rh_record *)((char *)data + RH_HEADER_BYTES);
	rh_u64 tail = 0, head, end, mask = h->capacity - 1;
	static volatile rh_u64 sink;
	rh_u64 sum = 0;

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		head = __atomic_load_n(&h->head, __ATOMIC_ACQUIRE);
		while (tail < head) {
			for (end = tail + BATCH < head ? tail + BATCH : head; tail < end; tail++)
				sum += records[tail & mask].ip + records[tail & mask].elements;
			__atomic_store_n(&h->tail, tail, __ATOMIC_RELEASE);
		}
		if (!spins)
			nanosleep(&between, NULL);
	}
	sink = sum;
	return (void *)&sink;
}

static void push_round(struct rh_producer *p, rh_u64 count)
{
	rh_u64 i;

	for (i = 0; i < count; i++)
		rh_push(p, CODE_START + (i & 1023) * 8, LAPIC + (i & 0xff) * 16, RH_DEVICE_WRITE, 4, RH_TARGET_BY_ADDRESS, 0, 1, 0);
}

#define MAX_ROUNDS	1000

static int ascending(const void *a, const void *b)
{
	const double *x = (const double *)a, *y = (const double *)b;

	return *x < *y ? -1 : *x > *y;
}

static double median(double *values, int count)
{
	qsort(values, (size_t)count, sizeof(*values), ascending);
	return values[count / 2];
}

static double ns_each(double start, rh_u64 count)
{
	return (seconds(CLOCK_THREAD_CPUTIME_ID) - start) * 1e9 / (double)count;
}

/* What pushes cost while another thread consumes; how many were dropped. */
static rh_u64 push_beside(struct rh_ring_header *h, rh_u64 capacity, int rounds, double *times)
{
	struct rh_producer p;
	pthread_t thread;
	double start;
	int round;

	memset(h, 0, sizeof(*h));
	rh_ring_format(h, 0, capacity, 1, 1, (rh_u32)getpid());
	rh_producer_attach(&p, h);
	__atomic_store_n(&stop, 0, __ATOMIC_RELAXED);
	need(!pthread_create(&thread, NULL, consume, h), "thread");
	for (round = 0; round < rounds; round++) {
		start = seconds(CLOCK_THREAD_CPUTIME_ID);
		push_round(&p, capacity);
		times[round] = ns_each(start, capacity);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	need(h->traps == capacity * (rh_u64)rounds && h->head + h->dropped_records == h->traps, "the counters do not add up");
	return h->dropped_records;
}

static int push(rh_u64 capacity, int rounds)
{
	struct rh_ring_header *h = (struct rh_ring_header *)memory_of(rh_ring_bytes(capacity));
	struct rh_record *records = (struct rh_record *)((char *)h + RH_HEADER_BYTES);
	static double alone[MAX_ROUNDS], beside[MAX_ROUNDS], spinning[MAX_ROUNDS], copy[MAX_ROUNDS];
	static struct rh_record source[64];
	rh_u64 i, dropped, dropped_spinning;
	struct rh_producer p;
	double start;
	int round;

	need(rounds > 0 && rounds <= MAX_ROUNDS && !rh_ring_format(h, 0, capacity, 1, 1, (rh_u32)getpid()), "rounds or capacity");
	rh_producer_attach(&p, h);
	for (round = -1; round < rounds; round++) {	/* the first one warms up */
		start = seconds(CLOCK_THREAD_CPUTIME_ID);
		push_round(&p, capacity);
		alone[round < 0 ? 0 : round] = ns_each(start, capacity);
		__atomic_store_n(&h->tail, h->head, __ATOMIC_RELEASE);

		start = seconds(CLOCK_THREAD_CPUTIME_ID);
		for (i = 0; i < capacity; i++) {
			memcpy(&records[i], &source[i & 63], sizeof(*source));
			__asm__ volatile("" : : "r"(&records[i]) : "memory"); /* every record is written */
		}
		copy[round < 0 ? 0 : round] = ns_each(start, capacity);
	}
	need(h->dropped_records == 0, "records were dropped where there was room");

	dropped = push_beside(h, capacity, rounds, beside);
	spins = 1;
	dropped_spinning = push_beside(h, capacity, rounds, spinning);
	printf("{\"capacity\": %llu, \"rounds\": %d, \"push_ns\": %.3f, \"push_beside_consumer_ns\": %.3f, \"dropped_beside_consumer\": %llu, "
	       "\"push_beside_spinning_ns\": %.3f, \"dropped_beside_spinning\": %llu, \"memcpy_ns\": %.3f}\n", (unsigned long long)capacity, rounds,
	       median(alone, rounds), median(beside, rounds), (unsigned long long)dropped, median(spinning, rounds), (unsigned long long)dropped_spinning,
	       median(copy, rounds));
	return 0;
}

static rh_u64 next_random(rh_u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A quarter of the records are elements of rep movs to the screen, as in a boot; of the others, half go by name. */
static void mix(struct rh_producer *p, rh_u64 *random)
{
	rh_u64 r = next_random(random), site = r % SITES, ip = CODE_START + site * 16;
	unsigned int i;

	switch (r >> 32 & 7) {
	case 0:
		for (i = 0; i < 3; i++)
			rh_push(p, CODE_START + SITES * 16 + 16, VGA + (r >> 40) % (VGA_BYTES / 64) * 64 + i * 4, RH_DEVICE_WRITE, 4,
				RH_TARGET_BY_ADDRESS, 0, 1, i ? RH_CONTINUED : 0);
		break;
	case 1:
	case 2:
	case 3:
		rh_push(p, ip, (site & 1 ? LAPIC : E1000) + (site & 63) * 16, site & 2 ? RH_DEVICE_READ : RH_DEVICE_WRITE, 4,
			RH_TARGET_BY_ADDRESS, (rh_u16)(site & 3), 1, 0);
		break;
	case 4:
		rh_push(p, ip, 0x1000000 + site * 8, RH_PT_WRITE, 8, 1, 0, 1, RH_HIT);
		break;
	default:
		rh_push(p, ip, 0x1000000 + site * 8, RH_PT_WRITE, 8, (rh_u16)(site & 1), 0, 1, 0);
	}
}

static void begin(struct rh_session *s, struct rh_producer *p, const char *path, rh_u64 capacity)
{
	void *memory = NULL;

	need(!rh_session_open(s, path) && !rh_session_info(s, "bench", "1", "bench", "target pte\ntarget pmd\n") && !rh_session_code(s, 16) &&
	     (memory = rh_session_ring(s, 0, capacity)), path);
	rh_producer_attach(p, memory);
}

int main(int argc, char **argv)
{
	struct rh_session s;
	struct rh_producer p;
	rh_u64 random = 88172645463325252ull, i;
	double end;

	if (argc == 4 && !strcmp(argv[1], "push"))
		return push(strtoull(argv[2], NULL, 0), atoi(argv[3]));
	if (argc == 4 && !strcmp(argv[1], "fill")) {
		begin(&s, &p, argv[2], strtoull(argv[3], NULL, 0));
		while (p.header->dropped_records == 0)
			mix(&p, &random);
		rh_close(&p);
		return 0;
	}
	if (argc == 5 && !strcmp(argv[1], "flood")) {
		begin(&s, &p, argv[2], strtoull(argv[3], NULL, 0));
		end = seconds(CLOCK_MONOTONIC) + atof(argv[4]);
		while (seconds(CLOCK_MONOTONIC) < end)
			for (i = 0; i < 1024; i++)
				mix(&p, &random);
		rh_close(&p);
		return 0;
	}
	fprintf(stderr, "usage: ring push CAPACITY ROUNDS | fill DIR CAPACITY | flood DIR CAPACITY SECONDS\n");
	return 2;
}
