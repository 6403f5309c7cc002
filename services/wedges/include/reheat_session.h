/*
 * reheat_session.h: makes the session directory of reheat_ring.h's contract, for a wedge that is a Linux process. Optional: a wedge that
 * is none does the same by its own means. In C11 and C++11, with GNU extensions; needs nothing but libc.
 *
 *	struct rh_session s;
 *	void *memory;
 *
 *	if (rh_session_open(&s, "/dev/shm/session") || rh_session_info(&s, "my-wedge", "1", "guest", "") ||
 *	    rh_session_code(&s, 1 << 16) || !(memory = rh_session_ring(&s, 0, RH_DEFAULT_CAPACITY)))
 *		fprintf(stderr, "%s/%s: %s: %s\n", s.path, s.failed_name, s.failed, strerror(errno));
 *
 * Nothing here prints or exits. What fails returns -1 or NULL with errno set, and says in failed_name and failed what it was; a
 * file that could not be made whole is taken away again. One thread at a time.
 */
#ifndef REHEAT_SESSION_H
#define REHEAT_SESSION_H

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "reheat_ring.h"

#ifdef __cplusplus
extern "C" {
#endif

struct rh_session {
	const char *path;
	int dir;
	rh_u64 epoch;
	rh_u64 created_unix_ns;
	struct rh_code_header *code;	/* after rh_session_code */
	char failed_name[32];		/* the file; empty: the directory */
	const char *failed;		/* what could not be done with it */
};

static inline int rh_session_fail(struct rh_session *s, const char *name, const char *what)
{
	int error = errno;

	snprintf(s->failed_name, sizeof(s->failed_name), "%s", name);
	s->failed = what;
	errno = error;
	return -1;
}

/* Begins a session in a directory, which is made if it is not there. path must stay as it is while the session is used. */
static inline int rh_session_open(struct rh_session *s, const char *path)
{
	struct timespec now;

	memset(s, 0, sizeof(*s));
	s->path = path;
	if (mkdir(path, 0755) && errno != EEXIST)
		return rh_session_fail(s, "", "cannot make the directory");
	s->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0)
		return rh_session_fail(s, "", "cannot open the directory");
	while (!s->epoch)
		if (getrandom(&s->epoch, sizeof(s->epoch), 0) != (ssize_t)sizeof(s->epoch))
			return rh_session_fail(s, "", "no random epoch");
	clock_gettime(CLOCK_REALTIME, &now);
	s->created_unix_ns = (rh_u64)now.tv_sec * 1000000000u + (rh_u64)now.tv_nsec;
	return 0;
}

/* The name that a file has until it is whole. */
static inline const char *rh_session_hidden(const char *name, char *hidden, size_t bytes)
{
	snprintf(hidden, bytes, ".%s.%d", name, (int)getpid());
	return hidden;
}

static inline int rh_session_discard(struct rh_session *s, const char *name, const char *what)
{
	char hidden[48];
	int error = errno;

	rh_session_fail(s, name, what);
	unlinkat(s->dir, rh_session_hidden(name, hidden, sizeof(hidden)), 0);
	errno = error;
	return -1;
}

/* Gives a file its name. By link and not by rename: it fails if the name is taken. */
static inline int rh_session_publish(struct rh_session *s, const char *name)
{
	char hidden[48];
	int failed = linkat(s->dir, rh_session_hidden(name, hidden, sizeof(hidden)), s->dir, name, 0);

	if (failed)
		return rh_session_discard(s, name, errno == EEXIST ? "the directory holds another session" : "cannot name");
	unlinkat(s->dir, hidden, 0);
	return 0;
}

/* A new file, without its name yet, or -1. */
static inline int rh_session_create(struct rh_session *s, const char *name)
{
	char hidden[48];
	int file = openat(s->dir, rh_session_hidden(name, hidden, sizeof(hidden)), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	return file < 0 ? rh_session_fail(s, name, "cannot create") : file;
}

/* A file of so many bytes, zeroed, on disk for sure (a full disk would kill the producer later), mapped, and without its name. */
static inline void *rh_session_map(struct rh_session *s, const char *name, rh_u64 bytes)
{
	void *memory = MAP_FAILED;
	int error, file = rh_session_create(s, name);

	if (file < 0)
		return NULL;
	do
		errno = posix_fallocate(file, 0, (off_t)bytes);
	while (errno == EINTR);
	if (errno)
		rh_session_discard(s, name, "no room");
	else if ((memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)) == MAP_FAILED)
		rh_session_discard(s, name, "cannot map");
	error = errno;
	close(file);
	errno = error;
	return memory == MAP_FAILED ? NULL : memory;
}

/*
 * Writes wedge.info, which comes first: who the wedge is, and further lines ("target lapic\n", "inside 0x1000-0x2000\n", or keys of the wedge's
 * own), each ended by a newline.
 */
static inline int rh_session_info(struct rh_session *s, const char *kind, const char *version, const char *guest, const char *further)
{
	static const char name[] = "wedge.info";
	struct stat pids;
	int failed, file = rh_session_create(s, name);

	if (file < 0)
		return -1;
	failed = dprintf(file, "kind %s\nversion %s\nguest %s\n", kind, version, guest) < 0;
	if (!failed && !stat("/proc/self/ns/pid", &pids))
		failed = dprintf(file, "pid-namespace %llu\n", (unsigned long long)pids.st_ino) < 0;
	failed = failed || dprintf(file, "%s", further) < 0;
	if (close(file) || failed)
		return rh_session_discard(s, name, "cannot write");
	return rh_session_publish(s, name);
}

/*
 * Writes memory-map: the text of QEMU's "info mtree -f", or lines of its shape behind a line 'AS "memory"'. It names the targets of records that
 * nothing else has named, so it is written before the rings are closed.
 */
static inline int rh_session_memory_map(struct rh_session *s, const char *text)
{
	static const char name[] = "memory-map";
	int failed, file = rh_session_create(s, name);

	if (file < 0)
		return -1;
	failed = dprintf(file, "%s", text) < 0;
	if (close(file) || failed)
		return rh_session_discard(s, name, "cannot write");
	return rh_session_publish(s, name);
}

/* Makes the code file, with room for so many sites. */
static inline int rh_session_code(struct rh_session *s, rh_u64 capacity)
{
	struct rh_code_header *h;

	h = (struct rh_code_header *)rh_session_map(s, "code", RH_HEADER_BYTES + capacity * sizeof(struct rh_code_entry));
	if (!h)
		return -1;
	h->version = RH_FORMAT_VERSION;
	h->entry_bytes = sizeof(struct rh_code_entry);
	h->epoch = s->epoch;
	h->capacity = capacity;
	__atomic_store_n(&h->magic, RH_CODE_MAGIC, __ATOMIC_RELEASE);
	s->code = h;
	return rh_session_publish(s, "code");
}

/* Makes a ring; for rh_producer_attach. Also while others are in use already. */
static inline void *rh_session_ring(struct rh_session *s, rh_u32 ring, rh_u64 capacity)
{
	char name[16];
	void *memory;

	snprintf(name, sizeof(name), "ring-%u", ring);
	memory = rh_session_map(s, name, rh_ring_bytes(capacity));
	if (!memory)
		return NULL;
	if (rh_ring_format(memory, ring, capacity, s->epoch, s->created_unix_ns, (rh_u32)getpid())) {
		errno = EINVAL;
		rh_session_discard(s, name, "its capacity is no power of two up to 2^28");
	} else if (!rh_session_publish(s, name)) {
		return memory;
	}
	munmap(memory, rh_ring_bytes(capacity));
	return NULL;
}

/* Tells the bytes of an instruction, before its first record is pushed; a full file counts that it is full. One caller at a time. */
static inline void rh_session_tell(struct rh_session *s, rh_u64 ip, const void *bytes, size_t length)
{
	rh_u64 count = s->code->count;
	struct rh_code_entry *e = (struct rh_code_entry *)((char *)s->code + RH_HEADER_BYTES) + count;

	if (count == s->code->capacity || length > sizeof(e->bytes)) {
		rh_count(&s->code->dropped, 1);
		return;
	}
	e->ip = ip;
	e->length = (rh_u8)length;
	memcpy(e->bytes, bytes, length);
	__atomic_store_n(&s->code->count, count + 1, __ATOMIC_RELEASE);
}

#ifdef __cplusplus
}
#endif

#endif /* REHEAT_SESSION_H */
