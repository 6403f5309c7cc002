/*
 * apic.c: I/O APIC and local APIC. Nothing interrupts the guest: it finds out what is requested in the request registers, and
 * takes the highest one off by writing EOI.
 */
#include "machine.h"

#define PINS		24u
#define MASKED		0x10000u
#define SOFTWARE_ON	0x100u

static uint32_t selected, redirection[PINS][2];
static uint32_t priority, spurious = 0xff, timer = MASKED, requests[8], initial, current, divide;

static SELDOM void request(unsigned int vector)
{
	if (spurious & SOFTWARE_ON)
		requests[vector >> 5 & 7] |= 1u << (vector & 31);
}

void ioapic_raise(unsigned int pin)
{
	if (pin < PINS && !(redirection[pin][0] & MASKED))
		request(redirection[pin][0] & 0xff);
}

static uint32_t *window(void)
{
	unsigned int row = selected - 0x10;

	return row < 2 * PINS ? &redirection[row / 2][row & 1] : 0;
}

uint64_t ioapic_read(uint64_t offset, unsigned int size)
{
	uint32_t *row = window();

	(void)size;
	if (offset == 0)
		return selected;
	if (offset != 0x10)
		return 0;
	return row ? *row : selected == 1 ? (PINS - 1) << 16 | 0x20 : 0;
}

void ioapic_write(uint64_t offset, unsigned int size, uint64_t value)
{
	uint32_t *row = window();

	(void)size;
	if (offset == 0)
		selected = (uint32_t)value & 0xff;
	else if (offset == 0x10 && row)
		*row = (uint32_t)value;
}

static SELDOM void end_of_interrupt(void)
{
	int word;

	for (word = 7; word >= 0; word--)
		if (requests[word]) {
			requests[word] &= ~(0x80000000u >> __builtin_clz(requests[word]));
			return;
		}
}

/* The timer counts by being looked at, it or the requests. */
static SELDOM uint32_t count_down(void)
{
	uint32_t step = initial / 8 + 1;

	if (!current)
		return 0;
	current -= current < step ? current : step;
	if (!current && !(timer & MASKED))
		request(timer & 0xff);
	return current;
}

static SELDOM uint64_t read_other(uint64_t offset)
{
	switch (offset) {
	case 0x20:
		return 0;
	case 0x30:
		return 0x50014;
	case 0xf0:
		return spurious;
	case 0x320:
		return timer;
	case 0x380:
		return initial;
	case 0x390:
		return count_down();
	case 0x3e0:
		return divide;
	}
	return 0;
}

uint64_t lapic_read(uint64_t offset, unsigned int size)
{
	(void)size;
	if (offset >= 0x200 && offset < 0x280) {
		hpet_pass();
		if (current)
			count_down();
		return requests[(offset - 0x200) >> 4];
	}
	return offset == 0x80 ? priority : read_other(offset);
}

static SELDOM void write_other(uint64_t offset, uint32_t value)
{
	switch (offset) {
	case 0xb0:
		end_of_interrupt();
		break;
	case 0xf0:
		spurious = value;
		break;
	case 0x320:
		timer = value;
		break;
	case 0x380:
		initial = current = value;
		break;
	case 0x3e0:
		divide = value;
		break;
	}
}

void lapic_write(uint64_t offset, unsigned int size, uint64_t value)
{
	(void)size;
	if (offset == 0x80)
		priority = (uint32_t)value & 0xff;
	else
		write_other(offset, (uint32_t)value);
}
