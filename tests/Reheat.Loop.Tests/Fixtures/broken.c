/*
 * A wedge that breaks the ring's contract in one way, for the conformance test to find: broken DIR FAULT. Without a fault ("none") it keeps it.
 */
#include <stdlib.h>

#include "reheat_session.h"

#define CAPACITY	1024
#define READ_IP		0x401000u	/* movl (%rdi), %eax */
#define WRITE_IP	0x401010u	/* movl %esi, (%rdi) */
#define KERNEL_IP	0xffffffff81000000u

static struct rh_session s;
static struct rh_producer p;
static const char *fault;
static char path[4200];

static int is(const char *name)
{
	return !strcmp(fault, name);
}

static const char *in_session(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", s.path, name);
	return path;
}

static void need(int done, const char *what)
{
	if (done)
		return;
	fprintf(stderr, "broken: %s: %s\n", what, s.failed ? s.failed : strerror(errno));
	exit(1);
}

static void read_site(rh_u8 flags)
{
	rh_push(&p, READ_IP, 0xfee00000, RH_DEVICE_READ, 4, 0, 0, 1, flags);
}

static void info(void)
{
	FILE *out;

	if (!is("half-line") && !is("no-kind") && !is("no-pid-namespace")) {
		need(!rh_session_info(&s, "broken", "1", is("empty-value") ? "" : "guest",
				      is("bad-inside") ? "target lapic\ninside 0x2000-0x1000\n" :
				      is("outside") ? "target lapic\ninside 0x401000-0x401010\n" :
				      is("second-guest") ? "target lapic\nguest other\n" : "target lapic\n"), "wedge.info");
		return;
	}
	out = fopen(in_session("wedge.info"), "w");
	need(out != NULL, "wedge.info");
	fprintf(out, "%sversion 1\nguest g\n%starget lapic%s", is("no-kind") ? "" : "kind k\n",
		is("no-pid-namespace") ? "" : "pid-namespace 4026531836\n", is("half-line") ? "" : "\n");
	fclose(out);
}

static void code(void)
{
	need(!rh_session_code(&s, 8), "code");
	if (!is("code-missing"))
		rh_session_tell(&s, READ_IP, is("other-direction") ? "\x89\x37" : is("other-size") ? "\x8a\x07" : "\x8b\x07", 2);
	rh_session_tell(&s, WRITE_IP, "\x89\x37", 2);
	if (is("code-twice"))
		rh_session_tell(&s, WRITE_IP, "\x89\x37", 2);
	else if (is("code-junk"))
		rh_session_tell(&s, KERNEL_IP, "\x06", 1);
	else if (is("code-long"))
		rh_session_tell(&s, KERNEL_IP, "\x8b\x07\x90", 3);
	else if (is("code-length"))
		rh_session_tell(&s, KERNEL_IP, "", 0);
	else if (is("not-sensitive"))
		rh_push(&p, WRITE_IP, 0, RH_SENSITIVE, 4, 0, 0, 1, 0);
	else if (is("code-magic"))
		s.code->magic++;
	else if (is("code-version"))
		s.code->version = 99;
	else if (is("code-entry-bytes"))
		s.code->entry_bytes = 32;
	else if (is("code-capacity"))
		s.code->capacity = 9;
	else if (is("code-count"))
		s.code->count = 9;
	else if (is("code-epoch"))
		s.code->epoch ^= 1;
	else if (is("no-code"))
		unlink(in_session("code"));
}

static void second_ring(void)
{
	struct rh_ring_header *h;

	if (is("epochs"))
		s.epoch ^= 1;
	else if (is("created"))
		s.created_unix_ns++;
	else
		return;
	need((h = (struct rh_ring_header *)rh_session_ring(&s, 1, CAPACITY)) != NULL, "ring-1");
	h->closed = 1;
}

/* What is wrong with a ring that is otherwise whole. */
static void spoil(struct rh_ring_header *h, struct rh_record *r)
{
	if (is("magic"))
		h->magic++;
	else if (is("version"))
		h->version = 99;
	else if (is("version-0"))
		h->version = 0;
	else if (is("record-bytes"))
		h->record_bytes = 24;
	else if (is("capacity"))
		h->capacity = 12;
	else if (is("larger"))
		h->capacity *= 2;
	else if (is("positions"))
		h->tail = h->head + 1;
	else if (is("epoch"))
		h->epoch = 0;
	else if (is("not-zero"))
		((char *)h)[1000] = 1;
	else if (is("unnamed"))
		h->pad1 = 1;
	else if (is("no-time"))
		h->created_unix_ns = 0;
	else if (is("sequence"))
		r[1].sequence = 77;
	else if (is("operation"))
		r[1].operation = 42;
	else if (is("size"))
		r[1].size = 3;
	else if (is("elements"))
		r[1].elements = 0;
	else if (is("flags"))
		r[1].flags |= 0x80;
	else if (is("reserved"))
		r[1].reserved = 1;
	else if (is("target"))
		r[1].target = 1;
	else if (is("virtual"))
		r[1].target = RH_TARGET_BY_ADDRESS, r[1].flags |= RH_ACCESS_VIRTUAL;
	else if (is("hit-in-version-1"))
		h->version = 1, r[1].flags = RH_HIT, h->hits++;
	else if (is("traps"))
		h->traps++;
	else if (is("hits"))
		h->hits++;
	else if (is("dropped-traps"))
		h->dropped_traps = h->traps + 1, h->dropped_records = h->dropped_traps;
	else if (is("dropped-records"))
		h->traps++, h->dropped_traps++;
	else if (is("lost"))	/* pushed more than it counts */
		h->traps--;
}

static void leave_half_made(void)
{
	struct timespec long_ago[2] = { { 1000, 0 }, { 1000, 0 } };
	int file = open(in_session(".ring-7"), O_CREAT | O_WRONLY, 0644);

	need(file >= 0 && !futimens(file, long_ago), ".ring-7");
	close(file);
}

/* The ring as ftruncate makes it: long, and empty on disk but for what was written. */
static void make_sparse(const struct rh_ring_header *h)
{
	int file;

	unlink(in_session("ring-0"));
	file = open(in_session("ring-0"), O_CREAT | O_EXCL | O_WRONLY, 0644);
	need(file >= 0 && !ftruncate(file, (off_t)rh_ring_bytes(CAPACITY)) && pwrite(file, h, 2 * RH_HEADER_BYTES, 0) == 2 * RH_HEADER_BYTES, "ring-0");
	close(file);
}

static void rename_ring(void)
{
	char other[4300];

	snprintf(other, sizeof(other), "%s/ring-3", s.path);
	need(!rename(in_session("ring-0"), other), "ring-3");
}

int main(int argc, char **argv)
{
	struct rh_ring_header *h;

	if (argc != 3)
		return 2;
	fault = argv[2];
	need(!rh_session_open(&s, argv[1]), argv[1]);
	if (!is("no-info"))
		info();
	if (is("no-ring"))
		return 0;
	need((h = (struct rh_ring_header *)rh_session_ring(&s, 0, CAPACITY)) != NULL, "ring-0");
	rh_producer_attach(&p, h);
	code();
	if (is("continued"))
		read_site(RH_CONTINUED);
	read_site(0);
	read_site(RH_CONTINUED);
	rh_push(&p, WRITE_IP, 0xfee00000, RH_DEVICE_WRITE, 4, 0, 0, 1, 0);
	second_ring();
	if (!is("unclosed"))
		rh_close(&p);
	spoil(h, p.records);
	if (is("name"))
		rename_ring();
	else if (is("short"))
		need(!truncate(in_session("ring-0"), RH_HEADER_BYTES + 100), "ring-0");
	else if (is("sparse"))
		make_sparse(h);
	else if (is("leftover"))
		leave_half_made();
	return 0;
}
