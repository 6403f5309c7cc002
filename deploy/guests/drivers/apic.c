/* apic.c: local APIC with its timer, and I/O APIC. */
#include "guest.h"

#define LAPIC	((registers)0xfee00000)
#define IOAPIC	((registers)0xfec00000)
#define MASKED	0x10000u

static uint32_t ioapic_get(unsigned int row)
{
	IOAPIC[0] = row;
	return IOAPIC[4];
}

static void ioapic_set(unsigned int row, uint32_t value)
{
	IOAPIC[0] = row;
	IOAPIC[4] = value;
}

static void ioapic_change(unsigned int row, uint32_t clear, uint32_t set)
{
	IOAPIC[0] = row;
	IOAPIC[4] = (IOAPIC[4] & ~clear) | set;
}

void apic_open(void)
{
	unsigned int pins = (ioapic_get(1) >> 16 & 0xff) + 1, pin;

	for (pin = 0; pin < pins; pin++)
		ioapic_change(0x10 + 2 * pin, 0, MASKED);
	LAPIC[0x80 / 4] = 0;			/* all priorities */
	LAPIC[0x350 / 4] = MASKED;
	LAPIC[0x360 / 4] = MASKED;
	LAPIC[0xf0 / 4] = 0x1ff;
	LAPIC[0x3e0 / 4] = 0xb;			/* divide by one */
	print_line("ioapic: pins", pins);
	print_line("lapic: version", LAPIC[0x30 / 4] & 0xff);
}

void apic_route(unsigned int pin, unsigned int vector)
{
	ioapic_set(0x11 + 2 * pin, LAPIC[0x20 / 4] & 0xff000000);
	ioapic_set(0x10 + 2 * pin, vector);
}

void apic_timer(uint32_t count)
{
	LAPIC[0x320 / 4] = TIMER_VECTOR;
	LAPIC[0x380 / 4] = count;
}

bool apic_timer_runs(void)
{
	return LAPIC[0x390 / 4] != 0;
}

void apic_end_of_interrupt(void)
{
	LAPIC[0xb0 / 4] = 0;
}

/* Reads back what it wrote, as drivers do to be sure that it arrived. */
void apic_ring(void)
{
	uint32_t priority;

	for (priority = 0; priority < 0x100; priority += 0x10) {
		LAPIC[0x80 / 4] = priority;
		if (LAPIC[0x80 / 4] != priority)
			print("lapic: FAIL priority\n");
	}
	LAPIC[0x80 / 4] = 0;
}
