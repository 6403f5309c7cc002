/* session_files.c: see the header. */
#include "session_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CODE_CAPACITY	(1u << 16)

static const char *path;
static struct rh_code_header *code;
static uint64_t epoch, created;
static int dir = -1;
static char info_name[32];

static int complain(const char *name, const char *what)
{
	fprintf(stderr, "reheat: %s%s%s: %s: %s\n", path, name[0] ? "/" : "", name, what, strerror(errno));
	return -1;
}

static uint64_t unix_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A file under a dotted name, given its own by publish(). */
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

int session_files_open(const char *directory)
{
	path = directory;
	if (mkdir(path, 0755) && errno != EEXIST)
		return complain("", "cannot make the directory");
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return complain("", "cannot open the directory");
	created = unix_ns();
	while (!epoch)
		if (getrandom(&epoch, sizeof(epoch), 0) != sizeof(epoch))
			return complain("", "no random epoch");
	return 0;
}

FILE *session_files_info(const char *kind, const char *version, const char *guest)
{
	struct stat pids;
	FILE *out;
	int file;

	snprintf(info_name, sizeof(info_name), ".wedge.info.%d", (int)getpid());
	file = openat(dir, info_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	out = file < 0 ? NULL : fdopen(file, "w");
	if (!out) {
		complain(info_name, "cannot create");
		return NULL;
	}
	fprintf(out, "kind %s\nversion %s\nguest %s\n", kind, version, guest);
	if (!stat("/proc/self/ns/pid", &pids))
		fprintf(out, "pid-namespace %llu\n", (unsigned long long)pids.st_ino);
	fprintf(out, "pid %d\nepoch %016llx\ncreated %llu\n", (int)getpid(), (unsigned long long)epoch, (unsigned long long)created);
	return out;
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

int session_files_begin(FILE *info)
{
	if (fclose(info)) {
		complain(info_name, "cannot write");
		unlinkat(dir, info_name, 0);
		return -1;
	}
	return publish(info_name, "wedge.info") || make_code() ? -1 : 0;
}

void *session_files_ring(unsigned int number, uint64_t capacity)
{
	char temporary[32], name[32];
	void *memory;

	snprintf(temporary, sizeof(temporary), ".ring-%u", number);
	snprintf(name, sizeof(name), "ring-%u", number);
	memory = map_file(temporary, rh_ring_bytes(capacity));
	if (!memory)
		return NULL;
	rh_ring_format(memory, number, capacity, epoch, created, (rh_u32)getpid());
	return publish(temporary, name) ? NULL : memory;
}

void *session_files_no_ring(unsigned int number)
{
	void *memory = calloc(1, rh_ring_bytes(1));

	if (memory)
		rh_ring_format(memory, number, 1, epoch, created, (rh_u32)getpid());
	return memory;
}

void session_files_tell(uint64_t ip, const uint8_t *bytes, size_t length)
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
