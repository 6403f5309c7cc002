/*
 * machine.c: which device is where, and accesses by address.
 */
#include "machine.h"

const char *const machine_targets[TARGETS] = {
	[TARGET_UART] = "uart", [TARGET_POWER] = "power", [TARGET_MMU] = "mmu", [TARGET_E1000] = "e1000", [TARGET_IOAPIC] = "ioapic",
	[TARGET_HPET] = "hpet", [TARGET_LAPIC] = "lapic", [TARGET_PTE] = "pte", [TARGET_PMD] = "pmd", [TARGET_PUD] = "pud",
	[TARGET_PGD] = "pgd",
};

/* The addresses of a PC, where it has the device. */
const struct device machine_devices[TARGET_PT] = {
	[TARGET_UART] = { 0xfe000000, PAGE },
	[TARGET_POWER] = { 0xfe001000, PAGE },
	[TARGET_MMU] = { 0xfe002000, PAGE },
	[TARGET_E1000] = { 0xfeb00000, 0x20000 },
	[TARGET_IOAPIC] = { 0xfec00000, PAGE },
	[TARGET_HPET] = { 0xfed00000, PAGE },
	[TARGET_LAPIC] = { 0xfee00000, PAGE },
};

uint8_t machine_pages[(DEVICES_HIGH - DEVICES_LOW) / PAGE];
struct memory machine_memory;

void machine_open(void)
{
	unsigned int target;
	uint64_t page;

	for (target = 1; target < TARGET_PT; target++)
		for (page = 0; page < machine_devices[target].bytes / PAGE; page++)
			machine_pages[(machine_devices[target].base - DEVICES_LOW) / PAGE + page] = (uint8_t)target;
}

uint64_t machine_load(uint64_t address, unsigned int size)
{
	uint8_t target = machine_device(address);
	const struct device *device = &machine_devices[target];
	uint64_t value;

	if (target && address - device->base <= device->bytes - size) {
		value = machine_read_device(target, address - device->base, size);
		return size == 8 ? value : value & ((1ull << 8 * size) - 1);
	}
	if (!machine_is_memory(address, size))
		guest_fault("reads where there is neither memory nor a device", address);
	return machine_peek(machine_at(address), size);
}

void machine_store(uint64_t address, unsigned int size, uint64_t value)
{
	uint8_t target = machine_device(address);
	const struct device *device = &machine_devices[target];

	if (target && address - device->base <= device->bytes - size)
		machine_write_device(target, address - device->base, size,
				     size == 8 ? value : value & ((1ull << 8 * size) - 1));
	else if (!machine_is_memory(address, size))
		guest_fault("writes where there is neither memory nor a device", address);
	else if (machine_target(address) || machine_target(address + size - 1))
		mmu_store(address, size, value);
	else
		machine_poke(machine_at(address), size, value);
}

static void copy(void *to, const void *from, uint64_t bytes)
{
	/* The direction flag is the guest's here. */
	asm volatile("pushfq\n\tcld\n\trep movsb\n\tpopfq" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
}

/* Page by page, as neighbours need not lie side by side. */
static bool transfer(unsigned char *own, uint64_t address, uint64_t bytes, bool write)
{
	uint64_t part, at;

	for (; bytes; own += part, address += part, bytes -= part) {
		part = PAGE - address % PAGE < bytes ? PAGE - address % PAGE : bytes;
		at = mmu_translate(address, write);
		if (!machine_is_memory(at, part))
			return false;
		if (write)
			copy(machine_at(at), own, part);
		else
			copy(own, machine_at(at), part);
	}
	return true;
}

bool machine_copy_in(void *to, uint64_t address, uint64_t bytes)
{
	return transfer(to, address, bytes, false);
}

bool machine_copy_out(uint64_t address, const void *from, uint64_t bytes)
{
	return transfer((unsigned char *)(uintptr_t)from, address, bytes, true);
}
