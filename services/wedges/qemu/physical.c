/*
 * physical.c: where an access really went.
 *
 * What the plugin API reports has three flaws, all of them in QEMU 7.2 and its neighbours:
 *  - The physical address is the section's address plus the offset within its region. Where a section shows the middle
 *    of a region (an "@offset" in "info mtree -f") the offset is added twice.
 *  - On a TLB miss the lookup answers with the last device access of this CPU, whatever the access at hand was.
 *  - While another CPU changes the memory map, the section's number is looked up in the new map.
 *
 * The emulator exports the walk of the guest's page tables that its debugger stub uses. Where it is there, it gives the
 * true address, and the memory map says whether a device lives there. Otherwise the page offset must agree.
 */
#include <dlfcn.h>

#include "wedge.h"

static void *(*get_cpu)(int index);
static uint64_t (*get_page)(void *cpu, uint64_t virtual);
static bool (*is_io)(uint64_t physical);

void physical_open(void)
{
	if (!options.walk)
		return;
	get_cpu = (void *(*)(int))dlsym(RTLD_DEFAULT, "qemu_get_cpu");
	get_page = (uint64_t (*)(void *, uint64_t))dlsym(RTLD_DEFAULT, "cpu_get_phys_page_debug");
	is_io = (bool (*)(uint64_t))dlsym(RTLD_DEFAULT, "cpu_physical_memory_is_io");
	if (!get_cpu || !get_page || !is_io)
		options.walk = false;
}

const char *physical_source(void)
{
	return options.walk ? "walked" : "reported";
}

void *physical_cpu(struct vcpu *v)
{
	if (unlikely(!v->cpu))
		v->cpu = get_cpu(v->index);
	return v->cpu;
}

uint64_t physical_walk(struct vcpu *v, uint64_t virtual)
{
	uint64_t page = get_page(physical_cpu(v), virtual & ~0xfffull);

	return page == ~0ull ? page : page & ~0xfffull;
}

bool physical_is_io(uint64_t physical)
{
	return is_io(physical);
}

bool physical_address(struct vcpu *v, uint64_t virtual, uint64_t reported, uint64_t *address)
{
	uint64_t page = options.walk ? physical_walk(v, virtual) : ~0ull;

	if (page != ~0ull) {
		*address = page | (virtual & 0xfff);
		return *address == reported || is_io(*address);
	}
	*address = reported;
	return ((virtual ^ reported) & 0xfff) == 0;
}
