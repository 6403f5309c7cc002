/*
 * hits.c: what thunks call: the access of a rewritten site, counted. Nothing here touches the ring. A site may reach memory that is not
 * sensitive at all; that is no hit, as it would have been no trap.
 */
#include "user.h"

static SELDOM uint64_t load_elsewhere(struct site *site, uint64_t address)
{
	return machine_load(address, site->form.size);
}

static SELDOM void store_elsewhere(struct site *site, uint64_t address, uint64_t value)
{
	uint8_t target = machine_target(address);

	if (target)
		site->count[target][WRITE]++;
	machine_store(address, site->form.size, value);
}

uint64_t hit_load(struct site *site, uint64_t address)
{
	uint8_t target = machine_device(address);
	const struct device *device = &machine_devices[target];

	if (unlikely(!target || address - device->base > device->bytes - site->form.size))
		return load_elsewhere(site, address);
	site->count[target][READ]++;
	return machine_read_device(target, address - device->base, site->form.size);
}

void hit_store(struct site *site, uint64_t address, uint64_t value)
{
	uint8_t target = machine_device(address);
	const struct device *device = &machine_devices[target];

	if (unlikely(!target || address - device->base > device->bytes - site->form.size)) {
		store_elsewhere(site, address, value);
		return;
	}
	site->count[target][WRITE]++;
	machine_write_device(target, address - device->base, site->form.size, value);
}

struct counting {
	struct observer observer;
	struct site *site;
};

static void count(struct observer *o, uint8_t target, enum intent intent, uint64_t address, unsigned int size)
{
	struct site *site = ((struct counting *)o)->site;

	(void)address;
	(void)size;
	if (o->begun & 1u << intent)
		site->more[target][intent]++;
	else
		site->count[target][intent]++;
}

/* The short way for what drivers and kernels do besides plain moves; false if it is something else. */
static bool exchange(struct site *site, struct registers *registers)
{
	const struct form *f = &site->form;
	uint64_t address, old, offset;
	uint8_t target;

	if (f->kind < ALU_STORE || f->kind > CMPXCHG || f->kind == BIT_TEST || (f->kind == BIT_STORE && f->reg != NO_REGISTER))
		return false;
	address = form_address(f, site->start + f->length, registers);
	target = machine_device(address);
	offset = address - machine_devices[target].base;
	if (!target || offset > machine_devices[target].bytes - f->size)
		return false;
	site->count[target][EXCHANGE]++;
	old = machine_read_device(target, offset, f->size) & (~0ull >> (64 - 8 * f->size));
	machine_write_device(target, offset, f->size, emulate_exchange(f, old, registers));
	return true;
}

/* As a trap would do it. */
static void hit_slowly(struct site *site, struct registers *registers)
{
	struct counting c = { .observer.touch = count, .site = site };
	bool down = site->form.kind >= MOVS && (__builtin_ia32_readeflags_u64() & 0x400);

	if (down)
		asm volatile("cld");
	emulate(&site->form, site->start + site->form.length, down, registers, &c.observer);
	if (down)
		asm volatile("std");
}

/* All other forms, as a trap would do them. */
void hit_any(struct site *site, struct registers *registers)
{
	if (exchange(site, registers))
		return;
	hit_slowly(site, registers);
}
