/*
 * hpet.c: a high-precision event timer with one comparator. Time passes with each look
 * at its counter or at the interrupts that are requested, so that a guest does the same in every run.
 */
#include "machine.h"

#define PERIOD_FS	10000000ull	/* 100 MHz */
#define TICKS_A_LOOK	10000u		/* 100 microseconds */
#define ENABLED		1u
#define INTERRUPT	4u		/* of the timer's configuration */

static uint64_t configuration, status, counter, timer, comparator;

/* The comparator was passed. */
static SELDOM void expire(void)
{
	status |= 1;
	if (timer & INTERRUPT)
		ioapic_raise(timer >> 9 & 0x1f);
}

void hpet_pass(void)
{
	uint64_t before = counter;

	if (!(configuration & ENABLED))
		return;
	counter += TICKS_A_LOOK;
	if (comparator - before - 1 < TICKS_A_LOOK)
		expire();
}

static SELDOM uint64_t read_other(uint64_t offset)
{
	switch (offset & ~7ull) {
	case 0x000:
		return PERIOD_FS << 32 | 0x80868001;
	case 0x010:
		return configuration;
	case 0x020:
		return status;
	case 0x100:
		return timer | 0xffffffull << 32;	/* it can use any pin */
	case 0x108:
		return comparator;
	}
	return 0;
}

uint64_t hpet_read(uint64_t offset, unsigned int size)
{
	uint64_t value;

	(void)size;
	if ((offset & ~7ull) == 0xf0) {
		hpet_pass();
		value = counter;
	} else {
		value = read_other(offset);
	}
	return offset & 4 ? value >> 32 : value;
}

/* A half of a register, or all of it. */
static void put(uint64_t *to, uint64_t offset, unsigned int size, uint64_t value)
{
	if (size == 8)
		*to = value;
	else if (offset & 4)
		*to = (*to & 0xffffffff) | value << 32;
	else
		*to = (*to & ~0xffffffffull) | (value & 0xffffffff);
}

SELDOM static void write_any(uint64_t offset, unsigned int size, uint64_t value)
{
	switch (offset & ~7ull) {
	case 0x010:
		put(&configuration, offset, size, value & 3);
		break;
	case 0x020:
		status &= ~value;
		break;
	case 0x0f0:
		put(&counter, offset, size, value);
		break;
	case 0x100:
		put(&timer, offset, size, value);
		break;
	case 0x108:
		put(&comparator, offset, size, value);
		break;
	}
}

void hpet_write(uint64_t offset, unsigned int size, uint64_t value)
{
	write_any(offset, size, value);
}
