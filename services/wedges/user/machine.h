/*
 * machine.h: what the guest runs on: memory, devices at fixed addresses, and page tables that it makes in its memory. Compiled
 * without vector registers. A device is reached from a thunk by a call that keeps all registers, so that its fast
 * path saves only what it uses.
 */
#ifndef REHEAT_MACHINE_H
#define REHEAT_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#define KEEPS_REGISTERS	__attribute__((no_caller_saved_registers))
#define SELDOM		__attribute__((noinline, cold, no_caller_saved_registers))

#define PAGE		4096ull
#define DEVICES_LOW	0xfe000000ull
#define DEVICES_HIGH	0xff000000ull

/* Numbers of targets; 0 is plain memory. Names for wedge.info: machine_targets. */
enum target {
	TARGET_NONE, TARGET_UART, TARGET_POWER, TARGET_MMU, TARGET_E1000, TARGET_IOAPIC, TARGET_HPET, TARGET_LAPIC,
	TARGET_PT, TARGET_PTE = TARGET_PT, TARGET_PMD, TARGET_PUD, TARGET_PGD, TARGETS,
};

extern const char *const machine_targets[TARGETS];

typedef uint64_t device_read(uint64_t offset, unsigned int size) KEEPS_REGISTERS;
typedef void device_write(uint64_t offset, unsigned int size, uint64_t value) KEEPS_REGISTERS;

struct device {
	uint64_t base, bytes;
};

extern const struct device machine_devices[TARGET_PT];
extern uint8_t machine_pages[(DEVICES_HIGH - DEVICES_LOW) / PAGE];	/* target of each page of the devices' window */

/* The guest's memory: where the guest sees it, and where the wedge may write whatever the guest's pages allow. */
struct memory {
	uint64_t low, high;
	unsigned char *alias;
	uint8_t *levels;	/* of each page: 0, or the level of the page table in it, 1 (pte) to 4 (pgd) */
};

extern struct memory machine_memory;

void machine_open(void);

static inline bool machine_is_memory(uint64_t address, uint64_t bytes)
{
	return address >= machine_memory.low && address < machine_memory.high && bytes <= machine_memory.high - address;
}

static inline unsigned char *machine_at(uint64_t address)
{
	return machine_memory.alias + (address - machine_memory.low);
}

static inline uint8_t machine_device(uint64_t address)
{
	uint64_t offset = address - DEVICES_LOW;

	return offset < DEVICES_HIGH - DEVICES_LOW ? machine_pages[offset / PAGE] : 0;
}

static inline uint8_t machine_target(uint64_t address)
{
	uint8_t level;

	if (!machine_is_memory(address, 1))
		return machine_device(address);
	level = machine_memory.levels[(address - machine_memory.low) / PAGE];
	return level ? TARGET_PT + level - 1 : 0;
}

static inline uint64_t machine_peek(const void *p, unsigned int size)
{
	switch (size) {
	case 1:
		return *(const volatile uint8_t *)p;
	case 2:
		return *(const volatile uint16_t *)p;
	case 4:
		return *(const volatile uint32_t *)p;
	default:
		return *(const volatile uint64_t *)p;
	}
}

static inline void machine_poke(void *p, unsigned int size, uint64_t value)
{
	switch (size) {
	case 1:
		*(volatile uint8_t *)p = (uint8_t)value;
		break;
	case 2:
		*(volatile uint16_t *)p = (uint16_t)value;
		break;
	case 4:
		*(volatile uint32_t *)p = (uint32_t)value;
		break;
	default:
		*(volatile uint64_t *)p = value;
		break;
	}
}

uint64_t machine_load(uint64_t address, unsigned int size) KEEPS_REGISTERS;
void machine_store(uint64_t address, unsigned int size, uint64_t value) KEEPS_REGISTERS;

/* Accesses by devices: addresses go through the guest's page table once it has one. False: not the guest's memory. */
bool machine_copy_in(void *to, uint64_t address, uint64_t bytes);
bool machine_copy_out(uint64_t address, const void *from, uint64_t bytes);

/* mmu.c */
device_read mmu_read;
device_write mmu_write;
/* A store to a page that holds a page table. */
void mmu_store(uint64_t address, unsigned int size, uint64_t value) SELDOM;
/* The address in memory that a device's address means, through the page table; ~0 if it means none. */
uint64_t mmu_translate(uint64_t address, bool write);

/* apic.c */
device_read ioapic_read;
device_write ioapic_write;
void ioapic_raise(unsigned int pin);
device_read lapic_read;
device_write lapic_write;

/* hpet.c */
void hpet_pass(void) KEEPS_REGISTERS;	/* some time passes */
device_read hpet_read;
device_write hpet_write;

/* e1000.c */
device_read e1000_read;
device_write e1000_write;

/* uart.c: and the power switch */
device_read uart_read;
device_write uart_write;
void uart_flush(void);
device_read power_read;
device_write power_write;

/*
 * By number and not by pointer: compilers save all registers around a call of whose function they know only the type.
 */
static inline uint64_t machine_read_device(uint8_t target, uint64_t offset, unsigned int size)
{
	switch (target) {
	case TARGET_HPET:
		return hpet_read(offset, size);
	case TARGET_LAPIC:
		return lapic_read(offset, size);
	case TARGET_E1000:
		return e1000_read(offset, size);
	case TARGET_IOAPIC:
		return ioapic_read(offset, size);
	case TARGET_UART:
		return uart_read(offset, size);
	case TARGET_MMU:
		return mmu_read(offset, size);
	default:
		return power_read(offset, size);
	}
}

static inline void machine_write_device(uint8_t target, uint64_t offset, unsigned int size, uint64_t value)
{
	switch (target) {
	case TARGET_E1000:
		e1000_write(offset, size, value);
		break;
	case TARGET_LAPIC:
		lapic_write(offset, size, value);
		break;
	case TARGET_UART:
		uart_write(offset, size, value);
		break;
	case TARGET_IOAPIC:
		ioapic_write(offset, size, value);
		break;
	case TARGET_HPET:
		hpet_write(offset, size, value);
		break;
	case TARGET_MMU:
		mmu_write(offset, size, value);
		break;
	default:
		power_write(offset, size, value);
		break;
	}
}

/* calls.c: system calls without the C library, whose functions use vector registers */
long call_write(int file, const void *bytes, uint64_t count);
long call_protect(uint64_t address, uint64_t bytes, int protection);

/* main.c: ends, with the guest's exit code, or after a message of what it did. */
_Noreturn void guest_power_off(unsigned int code);
_Noreturn void guest_interrupted(int signal);
_Noreturn void guest_fault(const char *what, uint64_t address);
_Noreturn void guest_cannot(uint64_t ip, const char *why);
/* Where the guest is, for guest_fault. */
void guest_at(uint64_t ip);

#endif
