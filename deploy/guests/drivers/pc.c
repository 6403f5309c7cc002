/*
 * pc.c: the platform of a PC that starts a multiboot program: -kernel of QEMU. Interrupts are the processor's; the console is the
 * port that emulators print, and a port ends the emulator: -device isa-debugcon,iobase=0xe9 -device isa-debug-exit,iobase=0xf4.
 */
#include "guest.h"

struct gate {
	uint16_t low, selector, flags, middle;
	uint32_t high, none;
};

static struct gate gates[256] __attribute__((aligned(16)));

extern char vectors[], vectors_end[];

static void out8(uint16_t port, uint8_t value)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static void out32(uint16_t port, uint32_t value)
{
	asm volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static uint32_t in32(uint16_t port)
{
	uint32_t value;

	asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

/* Each entry of the table of stubs has 16 bytes. */
void platform_open(void)
{
	struct { uint16_t limit; uint64_t base; } __attribute__((packed)) idt = { sizeof(gates) - 1, (uintptr_t)gates };
	unsigned int i;

	for (i = 0; i < 256; i++) {
		uint64_t stub = (uintptr_t)vectors + 16 * i;

		gates[i] = (struct gate){ (uint16_t)stub, 8, 0x8e00, (uint16_t)(stub >> 16), (uint32_t)(stub >> 32), 0 };
	}
	asm volatile("lidt %0" : : "m"(idt));
	out8(0x21, 0xff);
	out8(0xa1, 0xff);
}

void platform_put(char c)
{
	out8(0xe9, (uint8_t)c);
}

void platform_end(unsigned int code)
{
	out8(0xf4, (uint8_t)(code + 0x10));
	for (;;)
		asm volatile("cli; hlt");
}

void platform_poll(void)
{
	asm volatile("sti\n\tnop\n\tcli" : : : "memory");
}

void platform_use_table(uint64_t root)
{
	asm volatile("mov %0, %%cr3" : : "r"(root) : "memory");
}

void platform_forget(uint64_t address)
{
	asm volatile("invlpg (%0)" : : "r"(address) : "memory");
}

static uint32_t pci_get(unsigned int slot, unsigned int offset)
{
	out32(0xcf8, 0x80000000 | slot << 11 | offset);
	return in32(0xcfc);
}

static void pci_set(unsigned int slot, unsigned int offset, uint32_t value)
{
	out32(0xcf8, 0x80000000 | slot << 11 | offset);
	out32(0xcfc, value);
}

unsigned int platform_nic(uint64_t address)
{
	unsigned int slot;

	for (slot = 0; slot < 32; slot++) {
		if (pci_get(slot, 0) != 0x100e8086)
			continue;
		pci_set(slot, 4, 0);
		pci_set(slot, 0x10, (uint32_t)address);
		pci_set(slot, 4, 6);		/* memory, and of its own accord */
		return pci_get(slot, 0x3c) & 0xff;
	}
	print("FAIL no network card\n");
	return 11;
}
