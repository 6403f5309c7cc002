/*
 * session.c: the session directory: wedge.info, a ring for each vCPU, the code file. Every file appears whole, under
 * its name at once, and its blocks are reserved: a full disk refuses the start instead of killing the guest later.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "wedge.h"

#define CODE_CAPACITY	(1u << 16)
#define CLOSE_SPINS	100000000

struct vcpu **vcpus;

static struct rh_code_header *code;
static uint64_t epoch, created;
static unsigned int max_vcpus;
static int dir = -1;

static int complain(const char *name, const char *what)
{
	fprintf(stderr, "reheat: %s%s%s: %s: %s\n", options.dir, name[0] ? "/" : "", name, what, strerror(errno));
	return -1;
}

static uint64_t unix_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A file without a name, given one by publish(). */
static int make_file(const char *name, uint64_t bytes)
{
	int file = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (file < 0)
		return complain(name, "cannot create");
	errno = posix_fallocate(file, 0, (off_t)bytes);
	if (errno) {
		complain(name, "no room");
		close(file);
		unlinkat(dir, name, 0);
		return -1;
	}
	return file;
}

static void *map_file(const char *name, uint64_t bytes)
{
	int file = make_file(name, bytes);
	void *memory;

	if (file < 0)
		return NULL;
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	close(file);
	if (memory != MAP_FAILED)
		return memory;
	complain(name, "cannot map");
	unlinkat(dir, name, 0);
	return NULL;
}

/* link and not rename: it fails if the name is taken. */
static int publish(const char *temporary, const char *name)
{
	int failed = linkat(dir, temporary, dir, name, 0);

	if (failed)
		complain(name, errno == EEXIST ? "the directory holds another session" : "cannot name");
	unlinkat(dir, temporary, 0);
	return failed;
}

static int write_info(const qemu_info_t *info)
{
	char temporary[32];
	struct stat pids;
	FILE *out;
	int i, file;

	snprintf(temporary, sizeof(temporary), ".wedge.info.%d", (int)getpid());
	file = openat(dir, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	out = file < 0 ? NULL : fdopen(file, "w");
	if (!out)
		return complain(temporary, "cannot create");
	fprintf(out, "kind qemu\nversion %s\nguest %s\n", WEDGE_VERSION, options.guest);
	if (!stat("/proc/self/ns/pid", &pids))
		fprintf(out, "pid-namespace %llu\n", (unsigned long long)pids.st_ino);
	fprintf(out, "arch %s\npid %d\nepoch %016llx\ncreated %llu\n", info->target_name, (int)getpid(),
		(unsigned long long)epoch, (unsigned long long)created);
	if (options.annotated)
		fprintf(out, "annotated %u\n", annotated_count());
	for (i = 0; options.tables != TABLES_OFF && i < TABLE_NAMES; i++)
		fprintf(out, "target %s\n", table_names[i]);
	fprintf(out, "capacity %llu\naddresses %s\n", (unsigned long long)options.capacity, physical_source());
	for (i = 0; i < options.ranges; i++)
		fprintf(out, "inside 0x%llx-0x%llx\n", (unsigned long long)options.inside[i].low,
			(unsigned long long)options.inside[i].high + 1);
	if (fclose(out)) {
		complain(temporary, "cannot write");
		unlinkat(dir, temporary, 0);
		return -1;
	}
	return publish(temporary, "wedge.info");
}

static int make_code(void)
{
	struct rh_code_header *h = map_file(".code", RH_HEADER_BYTES + CODE_CAPACITY * sizeof(struct rh_code_entry));

	if (!h)
		return -1;
	h->version = RH_FORMAT_VERSION;
	h->entry_bytes = sizeof(struct rh_code_entry);
	h->epoch = epoch;
	h->capacity = CODE_CAPACITY;
	__atomic_store_n(&h->magic, RH_CODE_MAGIC, __ATOMIC_RELEASE);
	code = h;
	return publish(".code", "code");
}

int session_open(const qemu_info_t *info)
{
	if (mkdir(options.dir, 0755) && errno != EEXIST)
		return complain("", "cannot make the directory");
	dir = open(options.dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return complain("", "cannot open the directory");
	created = unix_ns();
	while (!epoch)
		if (getrandom(&epoch, sizeof(epoch), 0) != sizeof(epoch))
			return complain("", "no random epoch");
	max_vcpus = info->system_emulation && info->system.max_vcpus > 0 ? (unsigned int)info->system.max_vcpus : 1;
	vcpus = calloc(max_vcpus, sizeof(*vcpus));
	if (!vcpus)
		return complain("", "no memory");
	return write_info(info) || make_code() ? -1 : 0;
}

/*
 * A guest that runs is not killed for a ring that its hot-plugged CPU cannot have: that CPU gets one that drops all,
 * in memory, and says so. At start every CPU must have its own.
 */
static void *ring_memory(unsigned int index, uint64_t *capacity)
{
	static bool started;
	char temporary[32], name[32];
	void *memory;

	snprintf(temporary, sizeof(temporary), ".ring-%u", index);
	snprintf(name, sizeof(name), "ring-%u", index);
	memory = map_file(temporary, rh_ring_bytes(*capacity));
	if (memory) {
		rh_ring_format(memory, index, *capacity, epoch, created, (rh_u32)getpid());
		if (!publish(temporary, name)) {
			started = true;
			return memory;
		}
	}
	if (!started)
		exit(1);
	fprintf(stderr, "reheat: traps of vCPU %u are lost\n", index);
	*capacity = 1;
	memory = calloc(1, rh_ring_bytes(1));
	if (memory)
		rh_ring_format(memory, index, 1, epoch, created, (rh_u32)getpid());
	return memory;
}

unsigned int session_vcpus(void)
{
	return max_vcpus;
}

void session_add_vcpu(unsigned int index)
{
	uint64_t capacity = options.capacity;
	struct vcpu *v;
	void *memory;

	if (index >= max_vcpus) {
		fprintf(stderr, "reheat: vCPU %u: QEMU announced at most %u\n", index, max_vcpus);
		exit(1);
	}
	memory = ring_memory(index, &capacity);
	v = aligned_alloc(64, sizeof(*v));
	if (!memory || !v) {
		fprintf(stderr, "reheat: no memory for the ring of vCPU %u\n", index);
		exit(1);
	}
	memset(v, 0, sizeof(*v));
	v->index = (uint16_t)index;
	v->generation = RAM_GENERATION;
	v->moved = 1;
	rh_producer_attach(&v->ring, memory);
	__atomic_store_n(&vcpus[index], v, __ATOMIC_RELEASE);
}

void session_close_vcpu(unsigned int index)
{
	struct vcpu *v = __atomic_load_n(&vcpus[index], __ATOMIC_ACQUIRE);
	long spins;

	if (!v || __atomic_exchange_n(&v->closed, 1, __ATOMIC_SEQ_CST))
		return;
	/* A vCPU that is in the middle of a record ends it in well under a microsecond, unless it runs this itself. */
	for (spins = 0; __atomic_load_n(&v->busy, __ATOMIC_SEQ_CST) && spins < CLOSE_SPINS; spins++)
		__builtin_ia32_pause();
	rh_close(&v->ring);
}

void session_close(void)
{
	unsigned int i;

	for (i = 0; i < max_vcpus; i++)
		session_close_vcpu(i);
}

void session_tell(uint64_t ip, const uint8_t *bytes, size_t length)
{
	uint64_t count = code->count;
	struct rh_code_entry *e = (struct rh_code_entry *)((char *)code + RH_HEADER_BYTES) + count;

	if (count == code->capacity) {
		rh_count(&code->dropped, 1);
		return;
	}
	e->ip = ip;
	e->length = (uint8_t)length;
	memcpy(e->bytes, bytes, length);
	__atomic_store_n(&code->count, count + 1, __ATOMIC_RELEASE);
}
