/*
 * site.c: the instructions that have a callback, kept once however often the emulator translates them. API version 1
 * never says that a translation is gone, so nothing here can be freed; what bounds it is the guest's code, and, for a
 * guest that makes code without end, MAX_SITES. A site past that bound still records, only its bytes are unknown.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "wedge.h"

#define BUCKETS		(1u << 17)
#define MAX_SITES	(1u << 21)
#define CHUNK		2048u

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct site *buckets[BUCKETS];
static struct site *chunk;
static unsigned int used = CHUNK, total;

static struct site **bucket(uint64_t ip)
{
	return &buckets[(ip * 0x9e3779b97f4a7c15ull) >> 47];
}

static struct site *make(uint64_t ip, const uint8_t *bytes, size_t length, struct site **head)
{
	struct site *s;

	if (used == CHUNK) {
		if (total >= MAX_SITES || !(chunk = calloc(CHUNK, sizeof(*chunk))))
			return NULL;
		used = 0;
		total += CHUNK;
	}
	s = &chunk[used++];
	s->ip = s->name = ip;
	s->hit = annotated_find(ip, &s->name);
	s->length = (uint8_t)length;
	memcpy(s->bytes, bytes, length);
	s->next = *head;
	*head = s;
	return s;
}

uintptr_t site_intern(uint64_t ip, const uint8_t *bytes, size_t length)
{
	struct site **head = bucket(ip), *s;

	if (length > sizeof(s->bytes))
		return ref_pack(ip, length);
	pthread_mutex_lock(&lock);
	for (s = *head; s; s = s->next)
		if (s->ip == ip && s->length == length && !memcmp(s->bytes, bytes, length))
			break;
	if (!s)
		s = make(ip, bytes, length, head);
	pthread_mutex_unlock(&lock);
	return s ? (uintptr_t)s : ref_pack(ip, length);
}

void site_tell(struct site *site)
{
	struct site *s;

	pthread_mutex_lock(&lock);
	if (!site->told) {
		/* Code that is patched to and fro: the last entry has to be the one that runs. */
		for (s = *bucket(site->ip); s; s = s->next)
			if (s->ip == site->ip)
				__atomic_store_n(&s->told, 0, __ATOMIC_RELAXED);
		session_tell(site->name, site->bytes, site->length);
		__atomic_store_n(&site->told, 1, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&lock);
}
