/*
 * witness.c: a second plugin beside the wedge, for tests. It asks QEMU about every access of every instruction, filters
 * nothing and remembers nothing, and writes down those to frames that the wedge takes for page tables at that moment. To be
 * named behind the wedge: QEMU calls the plugin that came last first, so this one sees a frame as it was before the store.
 *
 *	-plugin witness.so,frames=FILE,out=FILE[,low=0xADDRESS]
 *
 * frames: what the wedge writes with the option of that name. low: code below it is not looked at. out gets a struct event
 * for each access. Physical addresses hold below the PCI hole.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../services/wedges/qemu/qemu_plugin_v1.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

struct event {
	uint64_t ip, physical;
	uint32_t vcpu;
	uint8_t size, store, level, reserved;
};

static const char *frames_path, *out_path;
static uint64_t low, asked, elsewhere;
static const uint8_t *frames;
static size_t n_frames;
static FILE *out;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The wedge makes the map when it first translates. */
static bool map_frames(void)
{
	struct stat st;
	int file = open(frames_path, O_RDONLY);
	void *memory;

	if (file < 0)
		return false;
	if (fstat(file, &st) || !st.st_size) {
		close(file);
		return false;
	}
	memory = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, file, 0);
	close(file);
	if (memory == MAP_FAILED)
		return false;
	n_frames = (size_t)st.st_size;
	__atomic_store_n(&frames, memory, __ATOMIC_RELEASE);
	return true;
}

static void access_cb(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t virtual, void *ip)
{
	struct qemu_plugin_hwaddr *hwaddr = qemu_plugin_get_hwaddr(info, virtual);
	struct event e = { .ip = (uint64_t)(uintptr_t)ip, .vcpu = vcpu };
	const uint8_t *map;
	uint64_t frame;

	if (!hwaddr || qemu_plugin_hwaddr_is_io(hwaddr)) {
		__atomic_fetch_add(&elsewhere, 1, __ATOMIC_RELAXED);
		return;
	}
	e.physical = qemu_plugin_hwaddr_phys_addr(hwaddr);
	__atomic_fetch_add(&asked, 1, __ATOMIC_RELAXED);
	frame = e.physical >> 12;
	map = __atomic_load_n(&frames, __ATOMIC_ACQUIRE);
	if (!map || frame >= n_frames || !map[frame])
		return;
	e.level = map[frame];
	e.size = (uint8_t)(1u << qemu_plugin_mem_size_shift(info));
	e.store = qemu_plugin_mem_is_store(info);
	pthread_mutex_lock(&lock);
	fwrite(&e, sizeof(e), 1, out);
	pthread_mutex_unlock(&lock);
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t i, n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	pthread_mutex_lock(&lock);
	if (!frames)
		map_frames();
	pthread_mutex_unlock(&lock);
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t ip = qemu_plugin_insn_vaddr(insn);

		if (ip >= low)
			qemu_plugin_register_vcpu_mem_cb(insn, access_cb, QEMU_PLUGIN_CB_NO_REGS, QEMU_PLUGIN_MEM_RW,
							 (void *)(uintptr_t)ip);
	}
}

static void at_exit(qemu_plugin_id_t id, void *data)
{
	(void)id;
	(void)data;
	fclose(out);
	fprintf(stderr, "witness: %llu accesses to RAM, %llu elsewhere\n", (unsigned long long)asked, (unsigned long long)elsewhere);
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	int i;

	(void)info;
	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "frames=", 7))
			frames_path = strdup(argv[i] + 7);
		else if (!strncmp(argv[i], "out=", 4))
			out_path = strdup(argv[i] + 4);
		else if (!strncmp(argv[i], "low=", 4))
			low = strtoull(argv[i] + 4, NULL, 0);
	}
	out = out_path ? fopen(out_path, "w") : NULL;
	if (!out || !frames_path) {
		fprintf(stderr, "witness: frames=FILE and out=FILE are needed\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
	return 0;
}
