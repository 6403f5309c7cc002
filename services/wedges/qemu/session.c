/*
 * session.c: the session directory: wedge.info, a ring for each vCPU, the code file. A full disk refuses the start instead of killing the
 * guest later.
 */
#include <stdlib.h>

#include "../include/reheat_session.h"
#include "wedge.h"

#define CODE_CAPACITY	(1u << 16)
#define CLOSE_SPINS	100000000

struct vcpu **vcpus;

static struct rh_session session;
static unsigned int max_vcpus;

static int complain(void)
{
	fprintf(stderr, "reheat: %s%s%s: %s: %s\n", options.dir, session.failed_name[0] ? "/" : "", session.failed_name, session.failed,
		strerror(errno));
	return -1;
}

static int write_info(const qemu_info_t *info)
{
	char *text = NULL;
	size_t length;
	FILE *out = open_memstream(&text, &length);
	int i, failed = -1;

	if (!out)
		return rh_session_fail(&session, "wedge.info", "no memory");
	fprintf(out, "arch %s\npid %d\nepoch %016llx\ncreated %llu\n", info->target_name, (int)getpid(),
		(unsigned long long)session.epoch, (unsigned long long)session.created_unix_ns);
	if (options.annotated)
		fprintf(out, "annotated %u\n", annotated_count());
	for (i = 0; options.tables != TABLES_OFF && i < TABLE_NAMES; i++)
		fprintf(out, "target %s\n", table_names[i]);
	fprintf(out, "capacity %llu\naddresses %s\n", (unsigned long long)options.capacity, physical_source());
	for (i = 0; i < options.ranges; i++)
		fprintf(out, "inside 0x%llx-0x%llx\n", (unsigned long long)options.inside[i].low,
			(unsigned long long)options.inside[i].high + 1);
	if (fclose(out))
		rh_session_fail(&session, "wedge.info", "no memory");
	else
		failed = rh_session_info(&session, "qemu", WEDGE_VERSION, options.guest, text);
	free(text);
	return failed;
}

int session_open(const qemu_info_t *info)
{
	max_vcpus = info->system_emulation && info->system.max_vcpus > 0 ? (unsigned int)info->system.max_vcpus : 1;
	vcpus = calloc(max_vcpus, sizeof(*vcpus));
	if (!vcpus) {
		perror("reheat: vCPUs");
		return -1;
	}
	if (rh_session_open(&session, options.dir) || write_info(info) || rh_session_code(&session, CODE_CAPACITY))
		return complain();
	return 0;
}

/*
 * A guest that runs is not killed for a ring that its hot-plugged CPU cannot have: that CPU gets one that drops all,
 * in memory, and says so. At start every CPU must have its own.
 */
static void *ring_memory(unsigned int index, uint64_t *capacity)
{
	static bool started;
	void *memory = rh_session_ring(&session, index, *capacity);

	if (memory) {
		started = true;
		return memory;
	}
	complain();
	if (!started)
		exit(1);
	fprintf(stderr, "reheat: traps of vCPU %u are lost\n", index);
	*capacity = 1;
	memory = calloc(1, rh_ring_bytes(1));
	if (memory)
		rh_ring_format(memory, index, 1, session.epoch, session.created_unix_ns, (rh_u32)getpid());
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
	rh_session_tell(&session, ip, bytes, length);
}

void session_memory_map(const char *text)
{
	if (rh_session_memory_map(&session, text))
		complain();
}
