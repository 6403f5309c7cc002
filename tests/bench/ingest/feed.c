/*
 * feed.c: a wedge that pushes records as fast as its rings have room, of the sites of a file, the k-th of which is 1/k as frequent as the first.
 *
 *	feed SESSION CAPACITY SITES RECORDS RINGS
 *
 * Says "ready" when the rings are there, waits until a consumer has attached, and at the end what it pushed.
 */
#include <stdlib.h>
#include <unistd.h>

#include "reheat_session.h"

#define SEQUENCE	(1u << 20)
#define MOST_SITES	(1 << 16)
#define MOST_RINGS	64

static rh_u64 sites[MOST_SITES];
static double sums[MOST_SITES];
static rh_u64 sequence[SEQUENCE];
static struct rh_session session;
static struct rh_producer rings[MOST_RINGS];

static rh_u64 next_random(rh_u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static int read_sites(const char *path)
{
	FILE *file = fopen(path, "r");
	unsigned long long address;
	int n = 0;

	while (file && n < MOST_SITES && fscanf(file, "%llx", &address) == 1)
		sites[n++] = address;
	if (file)
		fclose(file);
	return n;
}

/* What costs time is done before. */
static void draw(int n)
{
	rh_u64 state = 0x9e3779b97f4a7c15u;
	double sum = 0;
	unsigned i;
	int k;

	for (k = 0; k < n; k++)
		sums[k] = sum += 1.0 / (k + 1);
	for (i = 0; i < SEQUENCE; i++) {
		double wanted = (double)(next_random(&state) >> 11) / 9007199254740992.0 * sum;
		int low = 0, high = n - 1;

		while (low < high) {
			int middle = (low + high) / 2;

			if (sums[middle] < wanted)
				low = middle + 1;
			else
				high = middle;
		}
		sequence[i] = sites[low];
	}
}

int main(int argc, char **argv)
{
	rh_u64 capacity, records, i, pushed = 0;
	unsigned ring, ring_count;
	int n;

	if (argc != 6) {
		fprintf(stderr, "usage: feed SESSION CAPACITY SITES RECORDS RINGS\n");
		return 2;
	}
	capacity = strtoull(argv[2], NULL, 0);
	records = strtoull(argv[4], NULL, 0);
	ring_count = (unsigned)strtoul(argv[5], NULL, 0);
	n = read_sites(argv[3]);
	if (n == 0 || ring_count == 0 || ring_count > MOST_RINGS) {
		fprintf(stderr, "feed: %s: %d sites; %u rings: expected sites and 1 to %d rings\n", argv[3], n, ring_count, MOST_RINGS);
		return 2;
	}
	draw(n);
	if (rh_session_open(&session, argv[1]) || rh_session_info(&session, "feed", "1", "feed", "target lapic\n") || rh_session_code(&session, 64))
		goto failed;
	for (ring = 0; ring < ring_count; ring++) {
		void *memory = rh_session_ring(&session, ring, capacity);

		if (!memory)
			goto failed;
		rh_producer_attach(&rings[ring], memory);
	}
	printf("ready\n");
	fflush(stdout);
	while (!__atomic_load_n(&rings[0].header->consumer_pid, __ATOMIC_ACQUIRE))
		usleep(1000);
	for (i = 0; i < records; i++) {
		struct rh_producer *p = &rings[i % ring_count];

		while (!rh_has_room(p))
			usleep(200);
		pushed += (rh_u64)rh_push(p, sequence[i & (SEQUENCE - 1)], 0xfee00000, RH_DEVICE_WRITE, 4, 0, 0, 1, 0);
	}
	for (ring = 0; ring < ring_count; ring++)
		rh_close(&rings[ring]);
	printf("{\"pushed\": %llu}\n", (unsigned long long)pushed);
	return 0;
failed:
	fprintf(stderr, "feed: %s/%s: %s: %s\n", argv[1], session.failed_name, session.failed, strerror(errno));
	return 1;
}
