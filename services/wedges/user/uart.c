/*
 * uart.c: a 16550 with registers four bytes apart, its line the wedge's standard output; and the power switch, of which a write ends
 * the guest with that exit code.
 */
#include "machine.h"

#define LINE_BYTES	4096u

static unsigned char line[LINE_BYTES];
static unsigned int used;
static uint8_t registers[8];
static bool busy;

void uart_flush(void)
{
	unsigned int done = 0;
	long n;

	while (done < used && (n = call_write(1, line + done, used - done)) > 0)
		done += (unsigned int)n;
	used = 0;
}

static SELDOM void send(unsigned char byte)
{
	line[used++] = byte;
	busy = true;
	if (byte == '\n' || used == LINE_BYTES)
		uart_flush();
}

uint64_t uart_read(uint64_t offset, unsigned int size)
{
	unsigned int number = offset >> 2 & 7;
	bool was = busy;

	(void)size;
	if (number != 5)
		return number ? registers[number] : 0;
	/* A byte is on the line for one look. */
	busy = false;
	return was ? 0 : 0x60;
}

void uart_write(uint64_t offset, unsigned int size, uint64_t value)
{
	unsigned int number = offset >> 2 & 7;

	(void)size;
	if (number == 0 && !(registers[3] & 0x80))
		send((unsigned char)value);
	else
		registers[number] = (uint8_t)value;
}

uint64_t power_read(uint64_t offset, unsigned int size)
{
	(void)offset;
	(void)size;
	return 0;
}

void power_write(uint64_t offset, unsigned int size, uint64_t value)
{
	(void)offset;
	(void)size;
	guest_power_off((unsigned int)value & 0xff);
}
