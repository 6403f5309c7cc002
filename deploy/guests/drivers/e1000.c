/* e1000.c: a network card of the 8254x family with a ring for each direction. It talks to itself through its PHY. */
#include "guest.h"

#define NIC		((registers)0xfeb00000)
#define BASE		0xfeb00000u
#define RING		32u
#define BUFFER		2048u

#define CTRL		(0x0000 / 4)
#define STATUS		(0x0008 / 4)
#define EERD		(0x0014 / 4)
#define MDIC		(0x0020 / 4)
#define ICR		(0x00c0 / 4)
#define IMS		(0x00d0 / 4)
#define IMC		(0x00d8 / 4)
#define RCTL		(0x0100 / 4)
#define TCTL		(0x0400 / 4)
#define RDBAL		(0x2800 / 4)
#define TDBAL		(0x3800 / 4)
#define MTA		(0x5200 / 4)
#define RAL		(0x5400 / 4)
/* behind a ring's base */
#define HIGH		1
#define LENGTH		2
#define HEAD		4
#define TAIL		6

struct descriptor {
	uint64_t address;
	uint16_t length;
	uint8_t sum, command;
	uint8_t status, errors;
	uint16_t special;
};

static struct descriptor receive[RING] __attribute__((aligned(PAGE)));
static struct descriptor send[RING] __attribute__((aligned(PAGE)));
static uint8_t receive_buffers[RING][BUFFER] __attribute__((aligned(PAGE)));
static uint8_t send_buffers[RING][BUFFER] __attribute__((aligned(PAGE)));
static unsigned int receive_next, send_next;
static uint8_t mac[6];
static uint32_t causes;

static uint16_t eeprom(unsigned int word)
{
	uint32_t value;

	NIC[EERD] = word << 8 | 1;
	do
		value = NIC[EERD];
	while (!(value & 0x10));
	return (uint16_t)(value >> 16);
}

static void phy_write(unsigned int row, uint16_t value)
{
	NIC[MDIC] = 0x04200000 | row << 16 | value;
	while (!(NIC[MDIC] & 0x10000000))
		;
}

static uint16_t phy_read(unsigned int row)
{
	uint32_t value;

	NIC[MDIC] = 0x08200000 | row << 16;
	while (!((value = NIC[MDIC]) & 0x10000000))
		;
	return (uint16_t)value;
}

static void open_receive(void)
{
	unsigned int i;

	for (i = 0; i < RING; i++)
		receive[i] = (struct descriptor){ .address = (uintptr_t)receive_buffers[i] };
	NIC[RDBAL] = (uint32_t)(uintptr_t)receive;
	NIC[RDBAL + HIGH] = 0;
	NIC[RDBAL + LENGTH] = sizeof(receive);
	NIC[RDBAL + HEAD] = 0;
	NIC[RDBAL + TAIL] = RING - 1;
	NIC[RCTL] = 0x0400801a;		/* on, every address, broadcasts, checksum stripped */
}

static void open_send(void)
{
	unsigned int i;

	for (i = 0; i < RING; i++)
		send[i] = (struct descriptor){ .address = (uintptr_t)send_buffers[i], .status = 1 };
	NIC[TDBAL] = (uint32_t)(uintptr_t)send;
	NIC[TDBAL + HIGH] = 0;
	NIC[TDBAL + LENGTH] = sizeof(send);
	NIC[TDBAL + HEAD] = 0;
	NIC[TDBAL + TAIL] = 0;
	NIC[TCTL] = 0x0004010a;
}

bool nic_open(void)
{
	unsigned int pin = platform_nic(BASE), i;

	NIC[IMC] = 0xffffffff;
	NIC[CTRL] |= 0x04000000;	/* reset */
	hpet_wait(1000);
	NIC[IMC] = 0xffffffff;
	NIC[CTRL] |= 0x40;		/* link up */
	for (i = 0; i < 3; i++) {
		uint16_t word = eeprom(i);

		mac[2 * i] = (uint8_t)word;
		mac[2 * i + 1] = (uint8_t)(word >> 8);
	}
	NIC[RAL] = mac[0] | mac[1] << 8 | mac[2] << 16 | (uint32_t)mac[3] << 24;
	NIC[RAL + 1] = mac[4] | mac[5] << 8 | 0x80000000;
	for (i = 0; i < 128; i++)
		NIC[MTA + i] = 0;
	phy_write(0, (uint16_t)((phy_read(0) & ~0x1000u) | 0x4000u));	/* loopback */
	open_receive();
	open_send();
	(void)NIC[ICR];
	NIC[IMS] = 0x9f;
	apic_route(pin, NIC_VECTOR);
	hpet_wait(1100000);		/* emulators hold frames back for a second behind a change of RCTL */
	return NIC[STATUS] & 2;
}

const uint8_t *nic_address(void)
{
	return mac;
}

/* False if the ring is full. */
bool nic_send(const void *frame, unsigned int bytes)
{
	volatile struct descriptor *d = &send[send_next];
	const uint8_t *from = frame;
	unsigned int i;

	if (!(d->status & 1) || bytes > BUFFER)
		return false;
	for (i = 0; i < bytes; i++)
		send_buffers[send_next][i] = from[i];
	d->length = (uint16_t)bytes;
	d->command = 0x0b;		/* end of packet, checksum, report */
	d->status = 0;
	send_next = (send_next + 1) % RING;
	NIC[TDBAL + TAIL] = send_next;
	return true;
}

/* Bytes of the next frame, 0 if there is none. */
unsigned int nic_receive(void *frame)
{
	volatile struct descriptor *d = &receive[receive_next];
	unsigned int bytes = d->length, i;
	uint8_t *to = frame;

	if (!(d->status & 1))
		return 0;
	for (i = 0; i < bytes; i++)
		to[i] = receive_buffers[receive_next][i];
	d->status = 0;
	NIC[RDBAL + TAIL] = receive_next;
	receive_next = (receive_next + 1) % RING;
	return bytes;
}

void nic_interrupt(void)
{
	causes |= NIC[ICR];
}

uint32_t nic_causes(void)
{
	return causes;
}

uint64_t nic_buffer(unsigned int page)
{
	return page < sizeof(receive_buffers) / PAGE ? (uintptr_t)receive_buffers + page * PAGE : 0;
}
