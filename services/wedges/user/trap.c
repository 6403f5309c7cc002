/*
 * trap.c: an access that was not rewritten. Devices' pages cannot be touched and page tables cannot be written, so the processor traps; the
 * instruction is decoded, recorded, done in its place, and the guest goes on behind it.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "user.h"

#define HANDLER_STACK	(256u << 10)
#define DRAIN_MS	100
#define FORMS		1024u		/* recent instructions; the guest's code does not change */
#define DOWN		0x400u
#define ARITHMETIC	0x8d5u		/* CF PF AF ZF SF OF */

static const int order[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
			       REG_R8, REG_R9, REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15 };

struct trap {
	struct observer observer;
	uint64_t ip;
	const struct form *form;
};

static struct { uint64_t ip; struct form form; } forms[FORMS];

static void record(struct observer *o, uint8_t target, enum intent intent, uint64_t address, unsigned int size)
{
	struct trap *t = (struct trap *)o;

	session_trap(t->ip, t->form, target, intent, address, size, o->begun & 1u << intent);
}

static const struct form *form_at(uint64_t ip)
{
	unsigned int slot = (unsigned int)(ip * 0x9e3779b97f4a7c15ull >> 54);
	const char *fault;

	if (forms[slot].ip == ip)
		return &forms[slot].form;
	fault = form_decode(&forms[slot].form, machine_at(ip), machine_memory.high - ip);
	if (fault)
		guest_cannot(ip, fault);
	forms[slot].ip = ip;
	return &forms[slot].form;
}

static void die(int number)
{
	signal(number, SIG_DFL);
	raise(number);
}

/* Flags as struct registers has them, and back. */
static uint64_t short_flags(uint64_t flags)
{
	return (flags & 0xff) << 8 | (flags >> 11 & 1);
}

static uint64_t long_flags(uint64_t flags, uint64_t saved)
{
	return (flags & ~(uint64_t)ARITHMETIC) | (saved >> 8 & ARITHMETIC & 0xff) | (saved & 1) << 11;
}

static void on_trap(int number, siginfo_t *info, void *context)
{
	greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
	struct trap t = { .observer.touch = record, .ip = (uint64_t)g[REG_RIP] };
	uint64_t address = (uint64_t)(uintptr_t)info->si_addr;
	struct registers r;
	unsigned int i;

	if (!program_is_code(t.ip, t.ip + 1)) {
		if (!machine_is_memory(t.ip, 1) && address != t.ip) {
			die(number);		/* not the guest's: the wedge itself */
			return;
		}
		guest_at(t.ip);
		guest_fault("runs where there is no code", t.ip);
	}
	guest_at(t.ip);
	if (number != SIGSEGV || info->si_code <= 0 || info->si_code == SI_KERNEL)
		guest_cannot(t.ip, "a trap that no memory access made");
	if (!machine_target(address))
		guest_fault("accesses what is neither a device nor memory that it may access so", address);
	t.form = form_at(t.ip);
	for (i = 0; i < 16; i++)
		r.r[i] = (uint64_t)g[order[i]];
	r.flags = short_flags((uint64_t)g[REG_EFL]);
	emulate(t.form, t.ip + t.form->length, g[REG_EFL] & DOWN, &r, &t.observer);
	if (!t.observer.begun)
		guest_fault("reaches across the edge of what traps", address);
	for (i = 0; i < 16; i++)
		g[order[i]] = (greg_t)r.r[i];
	g[REG_EFL] = (greg_t)long_flags((uint64_t)g[REG_EFL], r.flags);
	g[REG_RIP] = (greg_t)(t.ip + t.form->length);
}

static void on_alarm(int number)
{
	(void)number;
	session_drain();
}

static void on_end(int number)
{
	guest_interrupted(number);
}

/* No handler interrupts another: the ring has one producer, and it is whole whenever one begins. */
int trap_open(void)
{
	static const int ends[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_flags = SA_ONSTACK | SA_SIGINFO | SA_RESTART };
	struct itimerval every = { { 0, DRAIN_MS * 1000 }, { 0, DRAIN_MS * 1000 } };
	stack_t stack = { .ss_sp = malloc(HANDLER_STACK), .ss_size = HANDLER_STACK };
	unsigned int i;

	sigfillset(&action.sa_mask);
	action.sa_sigaction = on_trap;
	if (!stack.ss_sp || sigaltstack(&stack, NULL) || sigaction(SIGSEGV, &action, NULL) || sigaction(SIGBUS, &action, NULL) ||
	    sigaction(SIGILL, &action, NULL) || sigaction(SIGFPE, &action, NULL) || sigaction(SIGTRAP, &action, NULL))
		return -1;
	action.sa_flags = SA_ONSTACK | SA_RESTART;
	action.sa_handler = on_end;
	for (i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		if (sigaction(ends[i], &action, NULL))
			return -1;
	if (!n_rewritten)
		return 0;
	action.sa_handler = on_alarm;
	return sigaction(SIGALRM, &action, NULL) || setitimer(ITIMER_REAL, &every, NULL) ? -1 : 0;
}

void trap_enter(uint64_t entry)
{
	/* As a processor begins: nothing in any register, and no stack. */
	asm volatile("mov %0, %%r11\n\t"
		     "xor %%eax, %%eax\n\txor %%ebx, %%ebx\n\txor %%ecx, %%ecx\n\txor %%edx, %%edx\n\t"
		     "xor %%esi, %%esi\n\txor %%edi, %%edi\n\txor %%ebp, %%ebp\n\txor %%esp, %%esp\n\t"
		     "xor %%r8d, %%r8d\n\txor %%r9d, %%r9d\n\txor %%r10d, %%r10d\n\txor %%r12d, %%r12d\n\t"
		     "xor %%r13d, %%r13d\n\txor %%r14d, %%r14d\n\txor %%r15d, %%r15d\n\tcld\n\tjmp *%%r11"
		     : : "r"(entry) : "memory");
	__builtin_unreachable();
}
