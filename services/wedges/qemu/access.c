/*
 * access.c: the callbacks. Nearly every access is one to RAM, and all that it may cost is the question whether it is.
 */
#include "wedge.h"

/* Says whether the ring takes anything more; pairs with session_close_vcpu, which may run on another thread. */
static bool enter(struct vcpu *v)
{
	__atomic_store_n(&v->busy, 1, __ATOMIC_SEQ_CST);
	if (likely(!__atomic_load_n(&v->closed, __ATOMIC_SEQ_CST)))
		return true;
	__atomic_store_n(&v->busy, 0, __ATOMIC_RELEASE);
	return false;
}

static void leave(struct vcpu *v)
{
	__atomic_store_n(&v->busy, 0, __ATOMIC_RELEASE);
}

static bool continues(struct vcpu *v, uintptr_t ref, uint8_t operation, enum shape shape, uint64_t virtual,
		      unsigned int size)
{
	switch (shape) {
	case REP:
		return run_continues(v, ref, operation, virtual, size);
	case WIDE16:
	case WIDE32:
		return run_continues_wide(v, ref, operation, virtual, size, (shape == WIDE16 ? 16 : 32) / size);
	default:
		return false;
	}
}

static void record(struct vcpu *v, uintptr_t ref, uint64_t physical, uint8_t operation, unsigned int size,
		   uint16_t target, bool more)
{
	uint64_t name = ref_ip(ref);
	bool hit;

	if (ref & REF_PACKED) {
		hit = annotated_find(name, &name);
	} else {
		if (unlikely(!__atomic_load_n(&ref_site(ref)->told, __ATOMIC_ACQUIRE)))
			site_tell(ref_site(ref));
		name = ref_site(ref)->name;
		hit = ref_site(ref)->hit;
	}
	rh_push(&v->ring, name, physical, operation, (uint8_t)size, target, v->index, 1,
		(more ? RH_CONTINUED : 0) | (hit ? RH_HIT : 0));
}

/* RAM, and at this moment a page table. What it says counts as it was before the store. */
static __attribute__((noinline)) void table(struct vcpu *v, qemu_plugin_meminfo_t info, uint64_t virtual,
					    uint64_t physical, uintptr_t ref, enum shape shape, bool inside)
{
	bool store = qemu_plugin_mem_is_store(info), more;
	uint8_t operation = store ? RH_PT_WRITE : RH_PT_READ, name;
	unsigned int size;

	if (shape == EXCHANGE) {
		if (!store)
			return;
		operation = RH_PT_EXCHANGE;
	}
	if (!store && options.tables != TABLES_ALL)
		return;
	name = __atomic_load_n(tables_frame(physical), __ATOMIC_ACQUIRE);
	if (unlikely(name & TABLE_PARTLY))
		name = tables_partly(physical, name);
	if (!name)
		return;
	size = 1u << qemu_plugin_mem_size_shift(info);
	if (enter(v)) {
		more = continues(v, ref, operation, shape, virtual, size);
		if (inside)
			record(v, ref, physical, operation, size, name - 1, more);
		else
			rh_count(&v->ring.header->outside_traps, !more);
		leave(v);
	}
	if (store && name > 1)
		tables_stored(physical, size);
}

static void device(struct vcpu *v, qemu_plugin_meminfo_t info, uint64_t virtual, struct qemu_plugin_hwaddr *hwaddr,
		   uintptr_t ref, enum shape shape, bool inside)
{
	unsigned int size = 1u << qemu_plugin_mem_size_shift(info);
	bool store = qemu_plugin_mem_is_store(info);
	uint8_t operation = store ? RH_DEVICE_WRITE : RH_DEVICE_READ;
	uint64_t physical;
	bool more;

	if (shape == EXCHANGE) {
		if (!store)
			return;		/* the store follows */
		operation = RH_DEVICE_EXCHANGE;
	}
	if (!enter(v))
		return;
	if (!physical_address(v, virtual, qemu_plugin_hwaddr_phys_addr(hwaddr), &physical)) {
		leave(v);
		if (*tables_frame(physical))
			table(v, info, virtual, physical, ref, shape, inside);
		else
			rh_count(&v->ring.header->spurious, 1);
		return;
	}
	more = continues(v, ref, operation, shape, virtual, size);
	if (inside)
		record(v, ref, physical, operation, size, RH_TARGET_BY_ADDRESS, more);
	else
		rh_count(&v->ring.header->outside_traps, !more);
	leave(v);
}

/* The page is not known to be RAM: ask. */
static __attribute__((noinline)) void ask(struct vcpu *v, qemu_plugin_meminfo_t info, uint64_t virtual, uintptr_t ref,
					  enum shape shape, bool inside)
{
	struct qemu_plugin_hwaddr *hwaddr;
	uint64_t offset, physical;

	if (unlikely(v->moved))
		tables_refresh(v, virtual);
	hwaddr = qemu_plugin_get_hwaddr(info, virtual);
	if (unlikely(!hwaddr))
		return;
	if (unlikely(qemu_plugin_hwaddr_is_io(hwaddr))) {
		device(v, info, virtual, hwaddr, ref, shape, inside);
		return;
	}
	offset = qemu_plugin_hwaddr_phys_addr(hwaddr);
	ram_learn(v, virtual, offset);
	if (!table_frame_count)
		return;
	physical = memory_address(offset);
	if (*tables_frame(physical))
		table(v, info, virtual, physical, ref, shape, inside);
}

#define CALLBACK(name, shape, inside)										\
	static void name(unsigned int vcpu_index, qemu_plugin_meminfo_t info, uint64_t virtual, void *ref)	\
	{													\
		struct vcpu *v = vcpus[vcpu_index];								\
														\
		const uint8_t *frame = ram_knows(v, virtual);							\
														\
		if (unlikely(!frame))										\
			ask(v, info, virtual, (uintptr_t)ref, shape, inside);					\
		else if (unlikely(*frame))									\
			table(v, info, virtual, (uint64_t)(frame - table_frames) << 12 | (virtual & 0xfff),	\
			      (uintptr_t)ref, shape, inside);							\
	}

CALLBACK(plain_inside, PLAIN, true)
CALLBACK(exchange_inside, EXCHANGE, true)
CALLBACK(rep_inside, REP, true)
CALLBACK(wide16_inside, WIDE16, true)
CALLBACK(wide32_inside, WIDE32, true)
CALLBACK(plain_outside, PLAIN, false)
CALLBACK(exchange_outside, EXCHANGE, false)
CALLBACK(rep_outside, REP, false)
CALLBACK(wide16_outside, WIDE16, false)
CALLBACK(wide32_outside, WIDE32, false)

const qemu_plugin_vcpu_mem_cb_t access_inside[SHAPES] = {
	[PLAIN] = plain_inside,
	[EXCHANGE] = exchange_inside,
	[REP] = rep_inside,
	[WIDE16] = wide16_inside,
	[WIDE32] = wide32_inside,
};

const qemu_plugin_vcpu_mem_cb_t access_outside[SHAPES] = {
	[PLAIN] = plain_outside,
	[EXCHANGE] = exchange_outside,
	[REP] = rep_outside,
	[WIDE16] = wide16_outside,
	[WIDE32] = wide32_outside,
};
