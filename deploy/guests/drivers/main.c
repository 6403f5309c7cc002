/* main.c: works every driver, and says what came of it. What it prints is the same in every run. */
#include "guest.h"

#define FRAMES	64u
#define WINDOW	0x40000000ull		/* addresses that nothing is at */

static unsigned int interrupts[256], failures;
static uint8_t sent[2048], received[2048];

void interrupt(unsigned int vector)
{
	interrupts[vector & 255]++;
	switch (vector) {
	case NIC_VECTOR:
		nic_interrupt();
		break;
	case HPET_VECTOR:
		hpet_interrupt();
		break;
	}
	apic_end_of_interrupt();
}

static void check(const char *what, bool good)
{
	if (good)
		return;
	print("FAIL ");
	print(what);
	print("\n");
	failures++;
}

static void timers(void)
{
	unsigned int i;

	for (i = 0; i < 4; i++) {
		apic_timer(1000000);
		while (interrupts[TIMER_VECTOR] == i)
			platform_poll();
		check("the local timer goes on", !apic_timer_runs());
		hpet_alarm(200);
		while (interrupts[HPET_VECTOR] == i)
			platform_poll();
	}
	apic_ring();
	print_line("local timer: interrupts", interrupts[TIMER_VECTOR]);
	print_line("hpet: alarms", interrupts[HPET_VECTOR]);
}

static uint32_t sum(const uint8_t *bytes, unsigned int count)
{
	uint32_t total = 0;
	unsigned int i;

	for (i = 0; i < count; i++)
		total = (total << 1 | total >> 31) ^ bytes[i];
	return total;
}

static void network(void)
{
	unsigned int frame, i, bytes, got = 0, wrong = 0;
	uint32_t total = 0;

	check("no link", nic_open());
	for (i = 0; i < 6; i++)
		sent[i] = sent[6 + i] = nic_address()[i];
	for (frame = 0; frame < FRAMES; frame++) {
		bytes = 60 + frame * 22;
		for (i = 12; i < bytes; i++)
			sent[i] = (uint8_t)(i * 7 + frame);
		while (!nic_send(sent, bytes))
			platform_poll();
		for (i = 0; i < 1000 && !nic_receive(received); i++)
			platform_poll();
		got += i < 1000;
		wrong += sum(received, bytes) != sum(sent, bytes);
		total ^= sum(received, bytes);
	}
	platform_poll();
	check("no interrupt of the card", interrupts[NIC_VECTOR] > 0 && (nic_causes() & 0x80));
	print_line("e1000: frames received", got);
	print_line("e1000: frames that differ", wrong);
	print_line("e1000: sum of all", total);
}

/* The card's frames and the processor's copies go through these pages: the first look finds them used, the second does not. */
static void used_pages(void)
{
	unsigned int i, look, used[2] = { 0, 0 };

	for (look = 0; look < 2; look++)
		for (i = 0; nic_buffer(i); i++)
			used[look] += table_was_used(nic_buffer(i));
	print_line("table: receive buffers used", used[0]);
	print_line("table: used since", used[1]);
}

static void tables(unsigned int round)
{
	uint64_t frame = (uintptr_t)sent & ~(uint64_t)(PAGE - 1), page;
	unsigned int i, unmapped = 0, unused = 0;

	for (i = 0; i < 100; i++)
		check("cannot map", table_map(WINDOW + i * PAGE, frame, 2));
	table_write_protect(WINDOW);
	print_line("table: an entry write-protected", table_entry(WINDOW) & 2);
	for (page = WINDOW; page < WINDOW + 100 * PAGE; page += PAGE) {
		unused += !table_was_used(page);
		unmapped += table_unmap(page) != 0;
	}
	print_line("table: pages mapped and unmapped", unmapped);
	print_line("table: of them unused", unused);
	check("cannot split", table_split(0xc0000000 + round * (2ull << 20)));
	check("cannot drop", table_drop(WINDOW));
	check("cannot use it again", table_map(WINDOW, frame, 2) && table_drop(WINDOW));
}

void guest_main(void)
{
	unsigned int round;

	platform_open();
	print("guest: drivers\n");
	table_open();
	apic_open();
	hpet_open();
	timers();
	network();
	used_pages();
	for (round = 0; round < 4; round++)
		tables(round);
	hpet_wait(500);
	check("the clock stands", hpet_now() > 0);
	print_line("guest: failures", failures);
	print("guest: done\n");
	platform_end(failures ? 1 : 0);
}
