/*
 * emulate.c: the accesses themselves. Flags are computed by the processor: the same instruction on registers.
 */
#include "emulate.h"
#include "machine.h"

#define RAX	0
#define RCX	1
#define RSI	6
#define RDI	7

static uint64_t mask(unsigned int size)
{
	return size == 8 ? ~0ull : (1ull << 8 * size) - 1;
}

static uint64_t get(const struct form *f, const struct registers *r, unsigned int size)
{
	if (f->reg == NO_REGISTER)
		return (uint64_t)f->constant & mask(size);
	return r->r[f->reg] >> (f->high ? 8 : 0) & mask(size);
}

/* As the processor does: a result of 32 bits clears what is above, smaller ones leave it. */
static void put_register(struct registers *r, unsigned int number, bool high, unsigned int size, uint64_t value)
{
	unsigned int shift = high ? 8 : 0;

	if (size >= 4)
		r->r[number] = value & mask(size);
	else
		r->r[number] = (r->r[number] & ~(mask(size) << shift)) | (value & mask(size)) << shift;
}

static void put(const struct form *f, struct registers *r, unsigned int size, uint64_t value)
{
	put_register(r, f->reg, f->high, size, value);
}

uint64_t form_address(const struct form *f, uint64_t next, const struct registers *r)
{
	uint64_t address = (uint64_t)f->displacement + (f->relative ? next : 0);

	if (f->base != NO_REGISTER)
		address += r->r[f->base];
	if (f->index != NO_REGISTER)
		address += r->r[f->index] << f->scale;
	return f->short_address ? (uint32_t)address : address;
}

#define RESTORE	"add $0x7f, %%al\n\tsahf\n\t"
#define SAVE	"\n\tlahf\n\tseto %%al"
#define TWO(op, letter)	asm(RESTORE op " %" letter "2, %" letter "0" SAVE : "+r"(a), "+a"(flags) : "r"(b) : "cc")
#define ONE(op, letter)	asm(RESTORE op " %" letter "0" SAVE : "+r"(a), "+a"(flags) : : "cc")
#define SIZES(shape, op)					\
	switch (size) {						\
	case 1: shape(op "b", "b"); break;			\
	case 2: shape(op "w", "w"); break;			\
	case 4: shape(op "l", "k"); break;			\
	default: shape(op "q", "q"); break;			\
	}							\
	break

static uint64_t alu(unsigned int op, unsigned int size, uint64_t a, uint64_t b, uint64_t *saved)
{
	uint64_t flags = *saved;

	switch (op) {
	case ADD: SIZES(TWO, "add");
	case OR: SIZES(TWO, "or");
	case ADC: SIZES(TWO, "adc");
	case SBB: SIZES(TWO, "sbb");
	case AND: SIZES(TWO, "and");
	case SUB: SIZES(TWO, "sub");
	case XOR: SIZES(TWO, "xor");
	case CMP: SIZES(TWO, "cmp");
	case TEST: SIZES(TWO, "test");
	}
	*saved = flags & 0xffff;
	return a & mask(size);
}

static uint64_t one(unsigned int op, unsigned int size, uint64_t a, uint64_t *saved)
{
	uint64_t flags = *saved;

	switch (op) {
	case INC: SIZES(ONE, "inc");
	case DEC: SIZES(ONE, "dec");
	case NOT: SIZES(ONE, "not");
	case NEG: SIZES(ONE, "neg");
	}
	*saved = flags & 0xffff;
	return a & mask(size);
}

/* The bit is that of a 64-bit operand: below the operand's size it is the same. */
static uint64_t bit(unsigned int op, uint64_t a, uint64_t b, uint64_t *saved)
{
	uint64_t flags = *saved;

	switch (op) {
	case BT: TWO("btq", "q"); break;
	case BTS: TWO("btsq", "q"); break;
	case BTR: TWO("btrq", "q"); break;
	case BTC: TWO("btcq", "q"); break;
	}
	*saved = flags & 0xffff;
	return a;
}

static void touch(struct observer *o, enum intent intent, uint64_t address, unsigned int size)
{
	uint8_t target = machine_target(address);

	/* Page tables can be read without a trap. */
	if (!target || (intent == READ && target >= TARGET_PT))
		return;
	o->touch(o, target, intent, address, size);
	o->begun |= 1u << intent;
}

static uint64_t load(struct observer *o, uint64_t address, unsigned int size)
{
	touch(o, READ, address, size);
	return machine_load(address, size);
}

static void store(struct observer *o, uint64_t address, unsigned int size, uint64_t value)
{
	touch(o, WRITE, address, size);
	machine_store(address, size, value);
}

uint64_t emulate_exchange(const struct form *f, uint64_t old, struct registers *r)
{
	unsigned int size = f->size;
	uint64_t value, accumulator;

	switch (f->kind) {
	case ALU_STORE:
		value = alu(f->op, size, old, get(f, r, size), &r->flags);
		break;
	case ONE_STORE:
		value = one(f->op, size, old, &r->flags);
		break;
	case BIT_STORE:
		value = bit(f->op, old, get(f, r, size) & (8 * size - 1), &r->flags);
		break;
	case XCHG:
		value = get(f, r, size);
		put(f, r, size, old);
		break;
	case XADD:
		value = alu(ADD, size, old, get(f, r, size), &r->flags);
		put(f, r, size, old);
		break;
	default:		/* CMPXCHG writes in both cases */
		accumulator = r->r[RAX] & mask(size);
		alu(CMP, size, accumulator, old, &r->flags);
		value = accumulator == old ? get(f, r, size) : old;
		if (accumulator != old)
			put_register(r, RAX, false, size, old);
		break;
	}
	return value;
}

static void exchange(const struct form *f, uint64_t address, struct registers *r, struct observer *o)
{
	touch(o, EXCHANGE, address, f->size);
	machine_store(address, f->size, emulate_exchange(f, machine_load(address, f->size), r));
}

static void string(const struct form *f, bool down, struct registers *r, struct observer *o)
{
	uint64_t step = down ? -(uint64_t)f->size : f->size;
	uint64_t narrow = f->short_address ? 0xffffffff : ~0ull;
	uint64_t count = f->rep ? r->r[RCX] & narrow : 1, value;

	while (count) {
		value = f->kind == STOS ? r->r[RAX] & mask(f->size) : load(o, r->r[RSI] & narrow, f->size);
		if (f->kind == LODS)
			put_register(r, RAX, false, f->size, value);
		else
			store(o, r->r[RDI] & narrow, f->size, value);
		if (f->kind != STOS)
			r->r[RSI] = (r->r[RSI] + step) & narrow;
		if (f->kind != LODS)
			r->r[RDI] = (r->r[RDI] + step) & narrow;
		count--;
	}
	if (f->rep)
		r->r[RCX] = 0;
}

/* A bit's number in a register reaches beyond the operand, forwards and backwards. */
static uint64_t bit_address(const struct form *f, uint64_t address, const struct registers *r)
{
	unsigned int bits = 8u * f->size;
	int64_t number;

	if (f->reg == NO_REGISTER)
		return address;
	number = (int64_t)(r->r[f->reg] << (64 - bits)) >> (64 - bits);
	return address + (uint64_t)((number >> (f->size == 8 ? 6 : f->size == 4 ? 5 : 4)) * f->size);
}

void emulate(const struct form *f, uint64_t next, bool down, struct registers *r, struct observer *o)
{
	uint64_t address = form_address(f, next, r), value;
	unsigned int size = f->size;

	switch (f->kind) {
	case LOAD:
		value = load(o, address, size);
		if (f->sign)
			value = (uint64_t)((int64_t)(value << (64 - 8 * size)) >> (64 - 8 * size));
		put(f, r, f->width, value);
		break;
	case STORE:
		store(o, address, size, get(f, r, size));
		break;
	case ALU_LOAD:
		value = load(o, address, size);
		value = alu(f->op, size, get(f, r, size), value, &r->flags);
		if (f->op != CMP)
			put(f, r, size, value);
		break;
	case ALU_TEST:
		alu(f->op, size, load(o, address, size), get(f, r, size), &r->flags);
		break;
	case BIT_TEST:
		value = load(o, bit_address(f, address, r), size);
		bit(BT, value, get(f, r, size) & (8 * size - 1), &r->flags);
		break;
	case BIT_STORE:
		exchange(f, bit_address(f, address, r), r, o);
		break;
	case PUSH:
		value = load(o, address, size);
		r->r[RSP] -= size;
		machine_store(r->r[RSP], size, value);
		break;
	case POP:
		value = machine_load(r->r[RSP], size);
		r->r[RSP] += size;
		if (f->base == RSP)
			address += size;	/* the address is that after the pop */
		store(o, address, size, value);
		break;
	case MOVS: case STOS: case LODS:
		string(f, down, r, o);
		break;
	default:
		exchange(f, address, r, o);
		break;
	}
}
