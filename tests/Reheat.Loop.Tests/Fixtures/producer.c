/*
 * A wedge for tests: makes a session and does what it is told, a command a line, an answer a line. It shares nothing with the agent
 * but reheat_ring.h.
 *
 * producer DIR CAPACITY EPOCH CREATED_NS RINGS [TARGET...]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "reheat_ring.h"

#define MAX_RINGS 64
#define MAX_SITES 4096
#define CODE_CAPACITY 4096

static const char *directory;
static rh_u64 capacity, epoch, created;
static struct rh_producer rings[MAX_RINGS];
static int ring_count;
static struct rh_code_header *code;
static rh_u64 fed[MAX_SITES];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Made under a dotted name and linked into place, so that it appears whole. */
static void *make(const char *name, rh_u64 bytes, char *hidden, char *path)
{
	void *memory;
	int fd;

	sprintf(hidden, "%s/.%s", directory, name);
	sprintf(path, "%s/%s", directory, name);
	fd = open(hidden, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0 || posix_fallocate(fd, 0, (off_t)bytes))
		die(hidden);
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		die("mmap");
	close(fd);
	return memory;
}

static void publish(const char *hidden, const char *path)
{
	if (link(hidden, path) || unlink(hidden))
		die(path);
}

static void add_ring(void)
{
	char name[32], hidden[4200], path[4200];
	void *memory;

	sprintf(name, "ring-%d", ring_count);
	memory = make(name, rh_ring_bytes(capacity), hidden, path);
	if (rh_ring_format(memory, (rh_u32)ring_count, capacity, epoch, created, (rh_u32)getpid()))
		die("capacity or epoch");
	rh_producer_attach(&rings[ring_count++], memory);
	publish(hidden, path);
}

static void add_code(void)
{
	char hidden[4200], path[4200];

	code = make("code", RH_HEADER_BYTES + (rh_u64)CODE_CAPACITY * sizeof(struct rh_code_entry), hidden, path);
	code->version = RH_FORMAT_VERSION;
	code->entry_bytes = sizeof(struct rh_code_entry);
	code->epoch = epoch;
	code->capacity = CODE_CAPACITY;
	code->magic = RH_CODE_MAGIC;
	publish(hidden, path);
}

static void add_info(int count, char **targets)
{
	char hidden[4200], path[4200];
	struct stat pids;
	FILE *info;
	int i;

	sprintf(hidden, "%s/.wedge.info", directory);
	sprintf(path, "%s/wedge.info", directory);
	info = fopen(hidden, "w");
	if (!info)
		die(hidden);
	fprintf(info, "kind test\nversion 1\nguest guest-of-test\n");
	if (!stat("/proc/self/ns/pid", &pids))
		fprintf(info, "pid-namespace %llu\n", (unsigned long long)pids.st_ino);
	for (i = 0; i < count; i++)
		fprintf(info, "target %s\n", targets[i]);
	fclose(info);
	publish(hidden, path);
}

static rh_u64 next_random(rh_u64 *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Pushes without loss: waits for room, which no wedge may do. */
static void feed(rh_u64 seed, rh_u64 count, rh_u64 base, rh_u64 step, rh_u64 sites, rh_u64 group, rh_u64 pause_us)
{
	rh_u64 i;

	for (i = 0; i < count; i++) {
		struct rh_producer *p = &rings[i % (rh_u64)ring_count];
		rh_u64 site = next_random(&seed) % sites;

		while (p->head - __atomic_load_n(&p->header->tail, __ATOMIC_ACQUIRE) > p->mask)
			usleep(500);
		fed[site] += (rh_u64)rh_push(p, base + site * step, 0xfee00000, RH_DEVICE_WRITE, 4, 0, 0, 1, 0);
		if (pause_us && i % group == group - 1)
			usleep((useconds_t)pause_us);
	}
}

static void command(char *line)
{
	rh_u64 a[9] = { 0 };
	char *word = strtok(line, " \n"), *text;
	int n = 0, i;

	while (n < 9 && (text = strtok(NULL, " \n")))
		a[n++] = strtoull(text, NULL, 0);
	if (!strcmp(word, "push")) { /* RING IP ACCESS OPERATION SIZE TARGET ELEMENTS FLAGS REPEAT */
		rh_u64 taken = 0;

		while (a[8]-- > 0)
			taken += (rh_u64)rh_push(&rings[a[0]], a[1], a[2], (rh_u8)a[3], (rh_u8)a[4], (rh_u16)a[5], 0, (rh_u32)a[6], (rh_u8)a[7]);
		printf("%llu\n", (unsigned long long)taken);
	} else if (!strcmp(word, "count")) { /* RING IP ACCESS OPERATION SIZE TARGET COUNT FLAGS */
		printf("%d\n", rh_push_hits(&rings[a[0]], a[1], a[2], (rh_u8)a[3], (rh_u8)a[4], (rh_u16)a[5], 0, (rh_u32)a[6], (rh_u8)a[7]));
	} else if (!strcmp(word, "drop")) { /* RING EXECUTIONS */
		rh_drop_hits(&rings[a[0]], a[1]);
		printf("ok\n");
	} else if (!strcmp(word, "feed")) { /* SEED COUNT BASE STEP SITES GROUP PAUSE_US */
		feed(a[0], a[1], a[2], a[3], a[4], a[5], a[6]);
		printf("fed\n");
	} else if (!strcmp(word, "fed")) { /* SITES */
		for (i = 0; i < (int)a[0]; i++)
			printf("%s%llu", i ? " " : "", (unsigned long long)fed[i]);
		printf("\n");
	} else if (!strcmp(word, "sequence")) { /* RING POSITION VALUE */
		rings[a[0]].records[a[1] & rings[a[0]].mask].sequence = (rh_u32)a[2];
		printf("ok\n");
	} else if (!strcmp(word, "half")) { /* RING IP: a push that comes no further than its count */
		struct rh_producer *p = &rings[a[0]];
		struct rh_record *r = &p->records[p->head & p->mask];

		r->ip = a[1];
		r->sequence = (rh_u32)p->head;
		rh_count(&p->header->traps, 1);
		printf("ok\n");
	} else if (!strcmp(word, "garbage")) { /* RING SEED FIRST COUNT: random bytes in place of records, but for operation and flags */
		rh_u64 seed = a[1];

		for (i = 0; i < (int)a[3]; i++) {
			struct rh_record *r = &rings[a[0]].records[(a[2] + (rh_u64)i) & rings[a[0]].mask];

			r->ip = next_random(&seed);
			r->access = next_random(&seed);
			r->elements = (rh_u32)next_random(&seed);
			r->sequence ^= (rh_u32)next_random(&seed) | 1;
			r->target = (rh_u16)next_random(&seed);
		}
		printf("ok\n");
	} else if (!strcmp(word, "version")) { /* RING VALUE */
		rings[a[0]].header->version = (rh_u32)a[1];
		printf("ok\n");
	} else if (!strcmp(word, "consumer")) { /* RING PID */
		rings[a[0]].header->consumer_pid = (rh_u32)a[1];
		printf("ok\n");
	} else if (!strcmp(word, "outside")) { /* RING COUNT */
		rh_count(&rings[a[0]].header->outside_traps, a[1]);
		printf("ok\n");
	} else if (!strcmp(word, "code")) { /* IP LENGTH BYTES (little-endian number) */
		struct rh_code_entry *entry = (struct rh_code_entry *)((char *)code + RH_HEADER_BYTES) + code->count;

		entry->ip = a[0];
		entry->length = (rh_u8)a[1];
		memcpy(entry->bytes, &a[2], sizeof(a[2]));
		__atomic_store_n(&code->count, code->count + 1, __ATOMIC_RELEASE);
		printf("ok\n");
	} else if (!strcmp(word, "ring")) {
		add_ring();
		printf("ok\n");
	} else if (!strcmp(word, "counters")) { /* RING */
		struct rh_ring_header *h = rings[a[0]].header;

		printf("%llu %llu %llu %llu %llu\n", (unsigned long long)h->head, (unsigned long long)h->tail, (unsigned long long)h->traps,
		       (unsigned long long)h->dropped_traps, (unsigned long long)h->dropped_records);
	} else if (!strcmp(word, "close")) {
		for (i = 0; i < ring_count; i++)
			rh_close(&rings[i]);
		printf("ok\n");
	} else {
		printf("unknown command %s\n", word);
	}
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char line[1024];
	int i;

	if (argc < 6)
		return 2;
	directory = argv[1];
	capacity = strtoull(argv[2], NULL, 0);
	epoch = strtoull(argv[3], NULL, 0);
	created = strtoull(argv[4], NULL, 0);
	if (mkdir(directory, 0700))
		die(directory);
	add_info(argc - 6, argv + 6);
	add_code();
	for (i = 0; i < atoi(argv[5]); i++)
		add_ring();
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin))
		command(line);
	return 0;
}
