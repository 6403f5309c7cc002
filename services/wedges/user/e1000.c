/*
 * e1000.c: an Intel 8254x as far as a driver with descriptor rings needs it: EEPROM, PHY, both rings with legacy descriptors, interrupt
 * causes. Its wire is the PHY's loopback: what is sent with it on is received; what is sent without it is gone.
 */
#include "machine.h"

enum {
	CTRL = 0x0000, STATUS = 0x0008, EERD = 0x0014, MDIC = 0x0020, ICR = 0x00c0, ICS = 0x00c8, IMS = 0x00d0, IMC = 0x00d8,
	RCTL = 0x0100, TCTL = 0x0400, RDBAL = 0x2800, RDBAH = 0x2804, RDLEN = 0x2808, RDH = 0x2810, RDT = 0x2818,
	TDBAL = 0x3800, TDBAH = 0x3804, TDLEN = 0x3808, TDH = 0x3810, TDT = 0x3818, MTA = 0x5200, RAL = 0x5400, END = 0x5600,
	PACKETS = 0x10000,
};

#define LINK_UP		2u
#define SENT		0x01u		/* interrupt causes */
#define LINK_CHANGED	0x04u
#define RECEIVED	0x80u
#define NO_ROOM		0x40u
#define ENABLED		2u		/* of RCTL and TCTL */
#define RESET		0x04000000u
#define LOOPBACK	0x4000u		/* of the PHY's control register */
#define DONE		1u		/* of a descriptor's status */
#define END_OF_PACKET	2u
#define MAX_FRAME	2048u
#define SHORTEST	60u
#define PIN		11u

struct descriptor {
	uint64_t address;
	uint16_t length;
	uint8_t sum, command;
	uint8_t status, errors;
	uint16_t special;
};

static uint32_t registers[END / 4];
static uint16_t phy[32];
static const uint16_t eeprom[64] = { 0x5452, 0x1200, 0x5634, [0x0d] = 0x100e };
static unsigned char frame[MAX_FRAME];
static unsigned char packets[0x10000];	/* the packet buffer, which diagnostics see as plain memory of any width */

#define R(offset) registers[(offset) / 4]

static SELDOM void cause(uint32_t bits)
{
	R(ICR) |= bits;
	if (R(ICR) & R(IMS))
		ioapic_raise(PIN);
}

static uint64_t ring(unsigned int low)
{
	return R(low) | (uint64_t)R(low + 4) << 32;
}

static uint32_t next(uint32_t at, unsigned int length)
{
	return (at + 1) * sizeof(struct descriptor) < R(length) ? at + 1 : 0;
}

static void receive(uint32_t bytes)
{
	uint64_t at = ring(RDBAL) + R(RDH) * sizeof(struct descriptor);
	struct descriptor d;

	if (!(R(RCTL) & ENABLED))
		return;
	if (R(RDH) == R(RDT) || !machine_copy_in(&d, at, sizeof(d)) || !machine_copy_out(d.address, frame, bytes)) {
		cause(NO_ROOM);
		return;
	}
	d.length = (uint16_t)bytes;
	d.status = DONE | END_OF_PACKET;
	d.errors = 0;
	if (!machine_copy_out(at, &d, sizeof(d)))
		return;
	R(RDH) = next(R(RDH), RDLEN);
	cause(RECEIVED);
}

static SELDOM void send(void)
{
	uint32_t bytes = 0;
	struct descriptor d;
	uint64_t at;

	if (!(R(TCTL) & ENABLED))
		return;
	while (R(TDH) != R(TDT)) {
		at = ring(TDBAL) + R(TDH) * sizeof(d);
		if (!machine_copy_in(&d, at, sizeof(d)))
			return;
		if (bytes + d.length > MAX_FRAME || !machine_copy_in(frame + bytes, d.address, d.length))
			bytes = 0;
		else
			bytes += d.length;
		if (d.command & 1) {
			while (bytes && bytes < SHORTEST)
				frame[bytes++] = 0;
			if (bytes && (phy[0] & LOOPBACK))
				receive(bytes);
			bytes = 0;
		}
		d.status |= DONE;
		machine_copy_out(at, &d, sizeof(d));
		R(TDH) = next(R(TDH), TDLEN);
	}
	cause(SENT);
}

static SELDOM uint32_t read_causes(void)
{
	uint32_t bits = R(ICR);

	R(ICR) = 0;
	return bits;
}

uint64_t e1000_read(uint64_t offset, unsigned int size)
{
	if (offset >= PACKETS)
		return machine_peek(packets + offset - PACKETS, size);
	if (offset == ICR)
		return read_causes();
	return offset < END ? R(offset) : 0;
}

static SELDOM void reset(void)
{
	unsigned int i;

	for (i = 0; i < END / 4; i++)
		registers[i] = 0;
	R(STATUS) = 0x80080781 | LINK_UP;
	phy[0] = 0x1140;
	phy[1] = 0x796d;
}

static SELDOM void management(uint32_t value)
{
	uint16_t *row = &phy[value >> 16 & 0x1f];

	if (value & 0x04000000)
		*row = (uint16_t)value;
	else
		value = (value & 0xffff0000) | *row;
	R(MDIC) = value | 0x10000000;
}

static SELDOM void write_other(uint64_t offset, uint32_t value)
{
	switch (offset) {
	case CTRL:
		if (value & RESET)
			reset();
		R(CTRL) = value & ~RESET;
		break;
	case EERD:
		R(EERD) = (value & 0xff00) | 0x10 | (uint32_t)eeprom[value >> 8 & 0x3f] << 16;
		break;
	case MDIC:
		management(value);
		break;
	case ICS:
		cause(value);
		break;
	case IMS:
		R(IMS) |= value;
		cause(0);
		break;
	case IMC:
		R(IMS) &= ~value;
		break;
	case TDT:
		R(TDT) = value & 0xffff;
		send();
		break;
	case ICR:
		R(ICR) &= ~value;
		break;
	case STATUS:
		break;
	default:
		R(offset) = value;
		break;
	}
}

void e1000_write(uint64_t offset, unsigned int size, uint64_t value)
{
	if (offset >= PACKETS)
		machine_poke(packets + offset - PACKETS, size, value);
	else if (offset == RDT || (offset >= MTA && offset < END))
		R(offset) = (uint32_t)value;	/* nothing comes of it now */
	else if (offset < END)
		write_other(offset, (uint32_t)value);
}
