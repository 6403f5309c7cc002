/*
 * process.c: the platform of a guest that runs as a process. A UART, a switch, a unit that takes the page table, and interrupts
 * that wait in the local APIC until they are asked for.
 */
#include "guest.h"

#define UART	((volatile uint8_t *)0xfe000000)
#define POWER	((registers)0xfe001000)
#define TABLES	((volatile uint64_t *)0xfe002000)
#define LAPIC	((registers)0xfee00000)
#define NIC_PIN	11u

uint8_t stack[65536] __attribute__((aligned(16)));

asm(".globl start\n"
    "start:	lea stack + 65536(%rip), %rsp\n"
    "	xor %ebp, %ebp\n"
    "	call guest_main\n");

void platform_open(void)
{
	UART[3 * 4] = 0x83;		/* eight bits; the divisor's turn */
	UART[0] = 1;
	UART[1 * 4] = 0;
	UART[3 * 4] = 0x03;
	UART[2 * 4] = 0x07;
}

void platform_put(char c)
{
	while (!(UART[5 * 4] & 0x20))
		;
	UART[0] = (uint8_t)c;
}

void platform_end(unsigned int code)
{
	POWER[0] = code;
	__builtin_unreachable();
}

void platform_poll(void)
{
	unsigned int word;
	uint32_t requests;

	for (word = 8; word-- > 0;) {
		while ((requests = LAPIC[(0x200 + word * 0x10) / 4]))
			interrupt(word * 32 + 31 - (unsigned int)__builtin_clz(requests));
	}
}

void platform_use_table(uint64_t root)
{
	TABLES[0] = root;
}

void platform_forget(uint64_t address)
{
	TABLES[1] = address;
}

unsigned int platform_nic(uint64_t address)
{
	(void)address;
	return NIC_PIN;
}
