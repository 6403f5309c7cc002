/*
 * memory.c: guest RAM and control registers, read in the emulator's own process. The plugin API has neither; the emulator
 * exports what its devices and its debugger stub use. So no guest needs RAM of a special kind (a shared file), and an entry
 * is read by the very thread that has just written it.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "wedge.h"

#define MIB		(1ull << 20)
#define MAX_SEGMENTS	16

/* Numbers of the debugger stub's registers: general ones, then ip, flags, 6 segments and 3 bases, then these. */
enum { CR0, CR2, CR3, CR4, CR8, EFER };

#define CR0_PG		(1u << 31)
#define CR4_PAE		(1u << 5)
#define CR4_LA57	(1u << 12)
#define EFER_LMA	(1u << 10)

struct bytes {			/* glib's GByteArray */
	uint8_t *data;
	unsigned int length;
};

struct segment {
	uint64_t physical, bytes;
	uint64_t offset;	/* of its first byte in all RAM blocks: what the plugin API calls the address of RAM */
	uint8_t *host;
};

static void *(*map)(uint64_t physical, uint64_t *length, bool write);
static void (*unmap)(void *host, uint64_t length, bool write, uint64_t used);
static uint64_t (*offset_of)(void *host);
static int (*read_register)(void *cpu, struct bytes *to, int number);
static struct bytes *(*bytes_new)(void);
static struct bytes *(*bytes_resize)(struct bytes *bytes, unsigned int length);

static struct segment segments[MAX_SEGMENTS];
static unsigned int n_segments;
static int first_control;
static bool is_64;

bool memory_open(const qemu_info_t *info)
{
	is_64 = info->target_name && !strcmp(info->target_name, "x86_64");
	first_control = (is_64 ? 16 : 8) + 2 + 9;
	map = (void *(*)(uint64_t, uint64_t *, bool))dlsym(RTLD_DEFAULT, "cpu_physical_memory_map");
	unmap = (void (*)(void *, uint64_t, bool, uint64_t))dlsym(RTLD_DEFAULT, "cpu_physical_memory_unmap");
	offset_of = (uint64_t (*)(void *))dlsym(RTLD_DEFAULT, "qemu_ram_addr_from_host");
	read_register = (int (*)(void *, struct bytes *, int))dlsym(RTLD_DEFAULT, "x86_cpu_gdb_read_register");
	bytes_new = (struct bytes *(*)(void))dlsym(RTLD_DEFAULT, "g_byte_array_new");
	bytes_resize = (struct bytes *(*)(struct bytes *, unsigned int))dlsym(RTLD_DEFAULT, "g_byte_array_set_size");
	return options.walk && map && unmap && offset_of && read_register && bytes_new && bytes_resize;
}

/* Notes the RAM in [at, end), as far as it is mapped there now. Returns where it ends. */
static uint64_t survey(uint64_t at, uint64_t end)
{
	while (at < end && n_segments < MAX_SEGMENTS && !physical_is_io(at)) {
		uint64_t length = end - at, offset;
		uint8_t *host = map(at, &length, false);

		if (!host || length < 4096)
			break;
		offset = offset_of(host);
		unmap(host, length, false, 0);
		if (offset != ~0ull)
			segments[n_segments++] = (struct segment){ at, length & ~4095ull, offset, host };
		at += length & ~4095ull;
	}
	return at;
}

uint64_t memory_survey(uint64_t low_end, uint64_t high_end)
{
	uint64_t end = 0;
	unsigned int i;

	survey(0, MIB);
	survey(MIB, low_end);
	if (high_end > 4ull << 30)
		survey(4ull << 30, high_end);
	for (i = 0; i < n_segments; i++)
		if (segments[i].physical + segments[i].bytes > end)
			end = segments[i].physical + segments[i].bytes;
	return end;
}

void *memory_frame(uint64_t frame)
{
	uint64_t at = frame << 12;
	unsigned int i;

	for (i = n_segments; i-- > 0; )
		if (at - segments[i].physical < segments[i].bytes)
			return segments[i].host + (at - segments[i].physical);
	return NULL;
}

uint64_t memory_address(uint64_t offset)
{
	unsigned int i;

	for (i = n_segments; i-- > 0; )
		if (offset - segments[i].offset < segments[i].bytes)
			return segments[i].physical + (offset - segments[i].offset);
	return ~0ull;
}

static uint64_t control(struct vcpu *v, int number)
{
	struct bytes *bytes = v->registers;
	uint64_t value = 0;

	if (unlikely(!bytes))
		v->registers = bytes = bytes_new();
	bytes_resize(bytes, 0);
	read_register(physical_cpu(v), bytes, first_control + number);
	memcpy(&value, bytes->data, bytes->length < sizeof(value) ? bytes->length : sizeof(value));
	return value;
}

struct paging memory_paging(struct vcpu *v)
{
	uint64_t cr3, cr4;

	if (!(control(v, CR0) & CR0_PG))
		return (struct paging){ .root = NO_ROOT };
	cr3 = control(v, CR3);
	cr4 = control(v, CR4);
	if (!(cr4 & CR4_PAE))
		return (struct paging){ cr3 & 0xfffff000, 2, 4 };
	if (!is_64 || !(control(v, EFER) & EFER_LMA))
		return (struct paging){ cr3 & 0xffffffe0, 3, 8 };
	return (struct paging){ cr3 & 0x000ffffffffff000ull, cr4 & CR4_LA57 ? 5 : 4, 8 };
}
