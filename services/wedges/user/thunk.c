/*
 * thunk.c: a piece of code for each site, that does the site's access by calling the device's model and goes back behind
 * the site. All registers and flags are the guest's again then, but the instruction's results.
 *
 * The guest's stack is not touched at all, so that its red zone stays whole and no device needs room there: a thunk begins by
 * putting rsp aside and taking the wedge's own stack. One guest thread is all there is, so one such stack does. What
 * thunks address lies below 2 GiB, reached by 32-bit absolute addresses.
 *
 * Plain loads and stores, nearly all accesses of drivers, call hit_load and hit_store, which keep all registers. All other
 * forms put the registers into memory and call hit_any.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "user.h"

#define STACK_BYTES	(256u << 10)
#define MOST_THUNK	256u
#define RAX		0
#define RDX		2
#define RSI		6
#define RDI		7

/* At the beginning of the low area. */
struct low {
	uint64_t rsp;
	struct registers registers;
	void *load, *store, *any;
};

static struct low *low;
static uint32_t stack;			/* its top */
static unsigned char *at, *end;

int thunk_open(void *code, uint64_t bytes)
{
	uint64_t size = PAGE + STACK_BYTES;

	low = mmap((void *)LOW_AREA, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	if (low != (void *)LOW_AREA) {
		fprintf(stderr, "reheat-user: 0x%llx, where thunks are to be, is not free in this process\n", (unsigned long long)LOW_AREA);
		return -1;
	}
	stack = (uint32_t)(LOW_AREA + size);
	low->load = (void *)hit_load;
	low->store = (void *)hit_store;
	low->any = (void *)hit_any;
	at = code;
	end = at + bytes;
	return 0;
}

static void bytes(const char *code, size_t n)
{
	memcpy(at, code, n);
	at += n;
}

#define CODE(text)	bytes(text, sizeof(text) - 1)

static void byte(unsigned int value)
{
	*at++ = (unsigned char)value;
}

static void word(uint64_t value)
{
	uint32_t v = (uint32_t)value;

	memcpy(at, &v, sizeof(v));
	at += sizeof(v);
}

static void word_of(const void *place)
{
	word((uint64_t)(uintptr_t)place);
}

/* The address into rsi; no register but rsp has changed yet. */
static void address(const struct form *f, uint64_t next)
{
	uint64_t fixed = (uint64_t)f->displacement + (f->relative ? next : 0);
	unsigned int base = f->base, index = f->index == NO_REGISTER ? RSP : f->index;

	if (base == NO_REGISTER && f->index == NO_REGISTER) {
		CODE("\x48\xbe");				/* mov $fixed,%rsi */
		memcpy(at, &fixed, sizeof(fixed));
		at += sizeof(fixed);
		return;
	}
	byte(0x48 | (index & 8) >> 2 | (base == NO_REGISTER ? 0 : base >> 3));
	byte(0x8d);						/* lea */
	byte((base == NO_REGISTER ? 0 : 0x80) | RSI << 3 | 4);
	byte((unsigned int)f->scale << 6 | (index & 7) << 3 | (base == NO_REGISTER ? 5 : base & 7));
	word((uint64_t)f->displacement);
}

static void enter(uint32_t top)
{
	CODE("\x48\x89\x24\x25");				/* mov %rsp,low->rsp */
	word_of(&low->rsp);
	byte(0xbc);						/* mov $top,%esp */
	word(top);
}

static void save_flags(void)
{
	CODE("\x57\x50\x9f\x0f\x90\xc0\x50");			/* push %rdi, %rax; lahf; seto %al; push %rax */
}

static void restore_flags(void)
{
	CODE("\x58\x04\x7f\x9e\x58\x5f");			/* pop %rax; add $0x7f,%al; sahf; pop %rax, %rdi */
}

static void call(const struct site *site, void *const *function)
{
	byte(0xbf);						/* mov $site,%edi */
	word_of(site);
	CODE("\xff\x14\x25");					/* call *function */
	word_of(function);
}

static void leave(const struct site *site, uint64_t *rsp)
{
	CODE("\x48\x8b\x24\x25");				/* mov rsp,%rsp */
	word_of(rsp);
	byte(0xe9);						/* jmp behind the site */
	word(site->end - ((uint64_t)(uintptr_t)at + 4));
}

/* What hit_load returned, as the register will have it. */
static void widen(const struct form *f)
{
	if (f->sign && f->size == 1)
		CODE("\x48\x0f\xbe\xc0");			/* movsbq %al,%rax */
	else if (f->sign && f->size == 2)
		CODE("\x48\x0f\xbf\xc0");
	else if (f->sign)
		CODE("\x48\x63\xc0");
	else if (f->size == 1)
		CODE("\x0f\xb6\xc0");				/* movzbl %al,%eax */
	else if (f->size == 2)
		CODE("\x0f\xb7\xc0");
	if (f->width == 4)
		CODE("\x89\xc0");				/* mov %eax,%eax */
}

static void load_thunk(const struct site *site)
{
	const struct form *f = &site->form;
	unsigned int slot = f->reg == RAX ? 8 : f->reg == RDI ? 16 : f->reg == RSI ? 24 : 0;

	enter(stack);
	byte(0x56);						/* push %rsi */
	address(f, site->start + f->length);
	save_flags();
	call(site, &low->load);
	widen(f);
	if (f->width == 2)
		byte(0x66);
	byte((f->width >= 4 ? 0x48 : 0x40) | (slot ? 0 : f->reg >> 3));
	byte(f->width == 1 ? 0x88 : 0x89);
	if (slot) {						/* mov %rax,slot(%rsp) */
		CODE("\x44\x24");
		byte(slot);
	} else {						/* mov %rax,%reg */
		byte(0xc0 | (f->reg & 7));
	}
	restore_flags();
	byte(0x5e);						/* pop %rsi */
	leave(site, &low->rsp);
}

/* The value into rdx; rsi has the address already, and its own value is on top of the stack. */
static void value(const struct form *f)
{
	if (f->reg == NO_REGISTER) {
		if (f->size == 8)
			CODE("\x48\xc7\xc2");			/* mov $constant,%rdx */
		else
			byte(0xba);				/* mov $constant,%edx */
		word(f->size < 4 ? (uint64_t)f->constant & ((1u << 8 * f->size) - 1) : (uint64_t)f->constant);
		return;
	}
	if (!f->high)
		byte((f->size == 8 ? 0x48 : 0x40) | f->reg >> 3);
	if (f->size < 4)
		CODE("\x0f");
	byte(f->size == 1 ? 0xb6 : f->size == 2 ? 0xb7 : 0x8b);
	if (f->reg == RSI)
		CODE("\x14\x24");				/* (%rsp) */
	else
		byte(0xc0 | RDX << 3 | ((f->reg & 7) + (f->high ? 4 : 0)));
}

static void store_thunk(const struct site *site)
{
	enter(stack - 8);					/* five words are pushed before the call */
	CODE("\x52\x56");					/* push %rdx, %rsi */
	address(&site->form, site->start + site->form.length);
	value(&site->form);
	save_flags();
	call(site, &low->store);
	restore_flags();
	CODE("\x5e\x5a");					/* pop %rsi, %rdx */
	leave(site, &low->rsp);
}

static void any_thunk(const struct site *site)
{
	struct registers *r = &low->registers;

	CODE("\x48\x89\x24\x25");				/* mov %rsp,r[RSP] */
	word_of(&r->r[RSP]);
	byte(0xbc);						/* mov $r[16],%esp */
	word_of(&r->r[16]);
	CODE("\x41\x57\x41\x56\x41\x55\x41\x54\x41\x53\x41\x52\x41\x51\x41\x50\x57\x56\x55");	/* push %r15 to %r8, %rdi, %rsi, %rbp */
	CODE("\x48\x8d\x64\x24\xf8\x53\x52\x51\x50");		/* lea -8(%rsp),%rsp; push %rbx, %rdx, %rcx, %rax */
	CODE("\x9f\x0f\x90\xc0\x0f\xb7\xc0\x48\x89\x04\x25");	/* lahf; seto %al; movzwl %ax,%eax; mov %rax,flags */
	word_of(&r->flags);
	byte(0xbc);						/* mov $stack,%esp */
	word(stack);
	byte(0xbe);						/* mov $r,%esi */
	word_of(r);
	call(site, &low->any);
	CODE("\x48\x8b\x04\x25");				/* mov flags,%rax */
	word_of(&r->flags);
	CODE("\x04\x7f\x9e\xbc");				/* add $0x7f,%al; sahf; mov $r,%esp */
	word_of(r);
	CODE("\x58\x59\x5a\x5b\x48\x8d\x64\x24\x08\x5d\x5e\x5f");	/* pop %rax, %rcx, %rdx, %rbx; lea 8(%rsp),%rsp; pop %rbp, %rsi, %rdi */
	CODE("\x41\x58\x41\x59\x41\x5a\x41\x5b\x41\x5c\x41\x5d\x41\x5e\x41\x5f");		/* pop %r8 to %r15 */
	leave(site, &r->r[RSP]);
}

static bool is_plain(const struct form *f)
{
	return !f->short_address && f->base != RSP && f->reg != RSP &&
	       ((f->kind == LOAD && !f->high) || f->kind == STORE);
}

uint64_t thunk_make(struct site *site)
{
	uint64_t made;

	at += -(uintptr_t)at & 15;
	made = (uint64_t)(uintptr_t)at;
	if (at + MOST_THUNK > end)
		return 0;
	if (!is_plain(&site->form))
		any_thunk(site);
	else if (site->form.kind == LOAD)
		load_thunk(site);
	else
		store_thunk(site);
	return made;
}
