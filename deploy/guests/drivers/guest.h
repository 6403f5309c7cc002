/*
 * guest.h: a guest that is nothing but drivers. The same drivers make two programs: one that runs as a process (process.c), and one
 * for a PC without firmware calls (pc.c). Drivers know addresses of registers, and nothing of what is beneath.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE 4096u

/* A device's registers, accessed as the compiler likes best: there is no accessor to annotate by hand. */
typedef volatile uint32_t *registers;

/* Interrupt vectors. */
enum { TIMER_VECTOR = 0x30, NIC_VECTOR = 0x31, HPET_VECTOR = 0x32 };

/* main.c: called by the platform for each interrupt. */
void interrupt(unsigned int vector);

/* process.c or pc.c */
void platform_open(void);
void platform_put(char c);
_Noreturn void platform_end(unsigned int code);
/* Lets interrupts in that are requested, and returns. */
void platform_poll(void);
/* Makes the table at this address the one that is used. */
void platform_use_table(uint64_t root);
void platform_forget(uint64_t address);
/* The I/O APIC's pin of the network card, which is made to answer at this address first. */
unsigned int platform_nic(uint64_t address);

/* print.c */
void print(const char *text);
void print_line(const char *name, uint64_t value);

/* hpet.c */
void hpet_open(void);
uint64_t hpet_now(void);
uint32_t hpet_nanoseconds(void);
void hpet_wait(uint64_t microseconds);
void hpet_alarm(uint64_t microseconds);
void hpet_interrupt(void);

/* apic.c */
void apic_open(void);
void apic_route(unsigned int pin, unsigned int vector);
void apic_timer(uint32_t count);
bool apic_timer_runs(void);
void apic_end_of_interrupt(void);
void apic_ring(void);

/* e1000.c */
bool nic_open(void);
const uint8_t *nic_address(void);
bool nic_send(const void *frame, unsigned int bytes);
unsigned int nic_receive(void *frame);
void nic_interrupt(void);
uint32_t nic_causes(void);
/* Where frames are received to: page by page, 0 at the end. */
uint64_t nic_buffer(unsigned int page);

/* table.c: a page table of four levels */
void table_open(void);
bool table_map(uint64_t address, uint64_t frame, uint64_t bits);
uint64_t table_unmap(uint64_t address);
void table_write_protect(uint64_t address);
bool table_was_used(uint64_t address);
bool table_split(uint64_t address);
bool table_drop(uint64_t address);
uint64_t table_entry(uint64_t address);

#endif
