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

static void device(struct vcpu *v, qemu_plugin_meminfo_t info, uint64_t virtual, struct qemu_plugin_hwaddr *hwaddr,
		   uintptr_t ref, uint8_t operation, enum shape shape, bool inside)
{
	unsigned int size = 1u << qemu_plugin_mem_size_shift(info);
	uint64_t physical;
	bool more;

	if (!enter(v))
		return;
	if (!physical_address(v, virtual, qemu_plugin_hwaddr_phys_addr(hwaddr), &physical)) {
		rh_count(&v->ring.header->spurious, 1);
		leave(v);
		return;
	}
	more = continues(v, ref, operation, shape, virtual, size);
	if (!inside) {
		rh_count(&v->ring.header->outside_traps, !more);
	} else {
		if (!(ref & REF_PACKED) && unlikely(!__atomic_load_n(&ref_site(ref)->told, __ATOMIC_ACQUIRE)))
			site_tell(ref_site(ref));
		rh_push(&v->ring, ref_ip(ref), physical, operation, (uint8_t)size, RH_TARGET_BY_ADDRESS, v->index, 1,
			more ? RH_CONTINUED : 0);
	}
	leave(v);
}

/* The page is not known to be RAM: ask. */
static __attribute__((noinline)) void ask(struct vcpu *v, qemu_plugin_meminfo_t info, uint64_t virtual, uintptr_t ref,
					  uint8_t operation, enum shape shape, bool inside)
{
	struct qemu_plugin_hwaddr *hwaddr = qemu_plugin_get_hwaddr(info, virtual);

	if (unlikely(hwaddr && qemu_plugin_hwaddr_is_io(hwaddr)))
		device(v, info, virtual, hwaddr, ref, operation, shape, inside);
	else if (likely(hwaddr))
		ram_learn(v, virtual, hwaddr);
}

#define CALLBACK(name, operation, shape, inside)								\
	static void name(unsigned int vcpu_index, qemu_plugin_meminfo_t info, uint64_t virtual, void *ref)	\
	{													\
		struct vcpu *v = vcpus[vcpu_index];								\
														\
		if (unlikely(!ram_knows(v, virtual)))								\
			ask(v, info, virtual, (uintptr_t)ref, operation, shape, inside);			\
	}

CALLBACK(read_inside, RH_DEVICE_READ, PLAIN, true)
CALLBACK(write_inside, RH_DEVICE_WRITE, PLAIN, true)
CALLBACK(exchange_inside, RH_DEVICE_EXCHANGE, EXCHANGE, true)
CALLBACK(read_rep_inside, RH_DEVICE_READ, REP, true)
CALLBACK(write_rep_inside, RH_DEVICE_WRITE, REP, true)
CALLBACK(read_wide16_inside, RH_DEVICE_READ, WIDE16, true)
CALLBACK(write_wide16_inside, RH_DEVICE_WRITE, WIDE16, true)
CALLBACK(read_wide32_inside, RH_DEVICE_READ, WIDE32, true)
CALLBACK(write_wide32_inside, RH_DEVICE_WRITE, WIDE32, true)

CALLBACK(plain_outside, 0, PLAIN, false)
CALLBACK(read_rep_outside, RH_DEVICE_READ, REP, false)
CALLBACK(write_rep_outside, RH_DEVICE_WRITE, REP, false)
CALLBACK(read_wide16_outside, RH_DEVICE_READ, WIDE16, false)
CALLBACK(write_wide16_outside, RH_DEVICE_WRITE, WIDE16, false)
CALLBACK(read_wide32_outside, RH_DEVICE_READ, WIDE32, false)
CALLBACK(write_wide32_outside, RH_DEVICE_WRITE, WIDE32, false)

const struct callbacks access_inside[SHAPES] = {
	[PLAIN] = { read_inside, write_inside },
	[EXCHANGE] = { NULL, exchange_inside },
	[REP] = { read_rep_inside, write_rep_inside },
	[WIDE16] = { read_wide16_inside, write_wide16_inside },
	[WIDE32] = { read_wide32_inside, write_wide32_inside },
};

const struct callbacks access_outside[SHAPES] = {
	[PLAIN] = { plain_outside, plain_outside },
	[EXCHANGE] = { NULL, plain_outside },
	[REP] = { read_rep_outside, write_rep_outside },
	[WIDE16] = { read_wide16_outside, write_wide16_outside },
	[WIDE32] = { read_wide32_outside, write_wide32_outside },
};
