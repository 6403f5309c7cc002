/*
 * ringdump.c: reads a session directory without the header's own functions, as a second opinion on what is in it.
 *
 *	ringdump DIR		traps, hits and elements for each operation and physical page, then the counters
 *	ringdump -r DIR		every record, in order within its ring
 *	ringdump -c DIR		the code file
 */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../include/reheat_ring.h"

static const char *const operations[] = { "?", "read", "write", "exchange", "pt-read", "pt-write", "pt-exchange",
					  "sensitive" };

struct sum {
	uint64_t page, traps, hits, elements, bytes;
	int operation;
};

static struct sum sums[65536];
static unsigned int n_sums;
/* records traps traps_counted dropped_traps dropped_records outside spurious corrupted hits hits_counted dropped_hits */
static uint64_t total[11];
static int open_rings, rings;

static uint64_t hits(unsigned int flags, uint64_t elements)
{
	if ((flags & (RH_CONTINUED | RH_HIT)) != RH_HIT)
		return 0;
	return flags & RH_COUNTED ? elements : 1;
}

static void add(uint64_t page, int operation, unsigned int flags, uint64_t elements, uint64_t bytes)
{
	unsigned int i;

	for (i = 0; i < n_sums; i++)
		if (sums[i].page == page && sums[i].operation == operation)
			break;
	if (i == sizeof(sums) / sizeof(*sums)) {
		fprintf(stderr, "ringdump: more than %u pages\n", i);
		exit(1);
	}
	if (i == n_sums)
		sums[n_sums++] = (struct sum){ .page = page, .operation = operation };
	sums[i].traps += !(flags & (RH_CONTINUED | RH_HIT));
	sums[i].hits += hits(flags, elements);
	sums[i].elements += elements;
	sums[i].bytes += bytes;
}

static char *map(const char *dir, const char *name, size_t *bytes)
{
	char path[4096];
	struct stat st;
	void *memory;
	int file;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	file = open(path, O_RDONLY);
	if (file < 0 || fstat(file, &st) || st.st_size < RH_HEADER_BYTES) {
		fprintf(stderr, "ringdump: %s: not there or too short\n", path);
		exit(1);
	}
	memory = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, file, 0);
	if (memory == MAP_FAILED) {
		perror(path);
		exit(1);
	}
	close(file);
	*bytes = (size_t)st.st_size;
	return memory;
}

static uint64_t u64(const char *p, size_t at)
{
	uint64_t v;

	memcpy(&v, p + at, sizeof(v));
	return v;
}

static uint32_t u32(const char *p, size_t at)
{
	uint32_t v;

	memcpy(&v, p + at, sizeof(v));
	return v;
}

/* Offsets are written out here on purpose: the header's structures are what is being checked. */
static void ring(const char *dir, const char *name, int list)
{
	size_t bytes;
	char *p = map(dir, name, &bytes);
	uint64_t capacity = u64(p, 24), head = u64(p, 64), tail = u64(p, 128), at;

	if (u64(p, 0) != RH_RING_MAGIC || u32(p, 8) < 1 || u32(p, 8) > 3 || u32(p, 16) != 32 || bytes != 4096 + capacity * 32) {
		fprintf(stderr, "ringdump: %s/%s: not a ring of version 1 to 3\n", dir, name);
		exit(1);
	}
	for (at = tail; at < head; at++) {
		const char *r = p + 4096 + (at & (capacity - 1)) * 32;
		unsigned int operation = (unsigned char)r[28], size = (unsigned char)r[29], flags = (unsigned char)r[30];
		uint32_t elements = u32(r, 16);

		if (u32(r, 20) != (uint32_t)at || operation < 1 || operation > 7) {
			total[7]++;
			continue;
		}
		if (list)
			printf("%s %u %016" PRIx64 " %s %" PRIx64 " %u %u %u %u\n", name, u32(r, 24) >> 16, u64(r, 0),
			       operations[operation], u64(r, 8), size, elements, flags, u32(r, 24) & 0xffff);
		add(u64(r, 8) & ~0xfffull, (int)operation, flags, elements, (uint64_t)size * elements);
		total[1] += !(flags & (RH_CONTINUED | RH_HIT));
		total[8] += hits(flags, elements);
	}
	total[0] += head;
	total[2] += u64(p, 72);
	total[3] += u64(p, 80);
	total[4] += u64(p, 88);
	total[5] += u64(p, 96);
	total[6] += u64(p, 104);
	total[9] += u64(p, 192);
	total[10] += u64(p, 200);
	open_rings += !u32(p, 112);
	rings++;
}

static void print_code(const char *dir)
{
	size_t bytes;
	char *p = map(dir, "code", &bytes);
	uint64_t count = u64(p, 64), i;
	int b;

	for (i = 0; i < count; i++) {
		const char *e = p + 4096 + i * 24;

		printf("%016" PRIx64 " ", u64(e, 0));
		for (b = 0; b < e[8]; b++)
			printf("%02x", (unsigned char)e[9 + b]);
		printf("\n");
	}
	printf("code entries %" PRIu64 " dropped %" PRIu64 "\n", count, u64(p, 72));
}

static int by_page(const void *a, const void *b)
{
	const struct sum *x = a, *y = b;

	return x->page != y->page ? (x->page < y->page ? -1 : 1) : x->operation - y->operation;
}

int main(int argc, char **argv)
{
	int list = argc == 3 && !strcmp(argv[1], "-r"), codes = argc == 3 && !strcmp(argv[1], "-c");
	const char *dir = argv[argc - 1];
	struct dirent *entry;
	unsigned int i;
	DIR *d;

	if (argc != 2 && !list && !codes) {
		fprintf(stderr, "usage: ringdump [-r|-c] DIR\n");
		return 2;
	}
	if (codes) {
		print_code(dir);
		return 0;
	}
	d = opendir(dir);
	if (!d) {
		perror(dir);
		return 1;
	}
	while ((entry = readdir(d)))
		if (!strncmp(entry->d_name, "ring-", 5))
			ring(dir, entry->d_name, list);
	closedir(d);
	if (list)
		return 0;
	qsort(sums, n_sums, sizeof(*sums), by_page);
	for (i = 0; i < n_sums; i++)
		printf("%-8s %016" PRIx64 " traps %" PRIu64 " hits %" PRIu64 " elements %" PRIu64 " bytes %" PRIu64
		       "\n", operations[sums[i].operation], sums[i].page, sums[i].traps, sums[i].hits, sums[i].elements,
		       sums[i].bytes);
	printf("rings %d open %d records %" PRIu64 " traps %" PRIu64 " counted %" PRIu64 " dropped %" PRIu64
	       " dropped-records %" PRIu64 " outside %" PRIu64 " spurious %" PRIu64 " corrupted %" PRIu64 " hits %" PRIu64
	       " hits-counted %" PRIu64 " dropped-hits %" PRIu64 "\n", rings, open_rings, total[0], total[1], total[2],
	       total[3], total[4], total[5], total[6], total[7], total[8], total[9], total[10]);
	return total[7] != 0;
}
