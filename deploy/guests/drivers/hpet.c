/* hpet.c: the clock and one alarm. */
#include "guest.h"

#define HPET	((registers)0xfed00000)
#define HPET64	((volatile uint64_t *)0xfed00000)
#define PIN	2u

static uint32_t period;	/* femtoseconds of a tick */
static unsigned int alarms;

void hpet_open(void)
{
	period = HPET[1];
	HPET[0x10 / 4] &= ~1u;
	HPET[0xf0 / 4] = 0;
	HPET[0xf4 / 4] = 0;
	HPET[0x10 / 4] |= 1;
	apic_route(PIN, HPET_VECTOR);
	print_line("hpet: femtoseconds a tick", period);
}

/* Two halves, as a 32-bit kernel reads it. */
uint64_t hpet_now(void)
{
	uint32_t high, low;

	do {
		high = HPET[0xf4 / 4];
		low = HPET[0xf0 / 4];
	} while (high != HPET[0xf4 / 4]);
	return (uint64_t)high << 32 | low;
}

void hpet_wait(uint64_t microseconds)
{
	uint64_t ticks = microseconds * 1000000000u / period, begin = HPET64[0xf0 / 8];

	while (HPET64[0xf0 / 8] - begin < ticks)
		;
}

void hpet_alarm(uint64_t microseconds)
{
	uint64_t at = hpet_now() + microseconds * 1000000000u / period;

	HPET[0x100 / 4] = (HPET[0x100 / 4] & ~0x3e0au) | PIN << 9;
	HPET[0x108 / 4] = (uint32_t)at;
	HPET[0x10c / 4] = (uint32_t)(at >> 32);
	HPET[0x100 / 4] |= 4;
}

void hpet_interrupt(void)
{
	HPET[0x100 / 4] &= ~4u;
	HPET[0x20 / 4] = 1;
	alarms++;
}
