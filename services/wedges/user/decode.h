/*
 * decode.h: a 64-bit instruction, as much of it as is needed to do its memory access in its place: what it does, of which
 * size, with which register or constant, at which address.
 */
#ifndef REHEAT_DECODE_H
#define REHEAT_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum kind {
	LOAD,		/* register = memory; mov, movzx, movsx */
	STORE,		/* memory = register or constant */
	ALU_LOAD,	/* register op= memory, or only the flags of it: cmp, test */
	ALU_TEST,	/* flags of memory and register or constant: cmp, test */
	ALU_STORE,	/* memory op= register or constant */
	ONE_STORE,	/* inc, dec, not, neg of memory */
	BIT_TEST,	/* bt */
	BIT_STORE,	/* bts, btr, btc */
	XCHG, XADD, CMPXCHG,
	PUSH, POP,
	MOVS, STOS, LODS,
};

enum alu { ADD, OR, ADC, SBB, AND, SUB, XOR, CMP, TEST };
enum one { INC, DEC, NOT, NEG };
enum bit { BT, BTS, BTR, BTC };

#define NO_REGISTER	0xff
#define RSP		4

struct form {
	uint8_t kind;		/* enum kind */
	uint8_t op;		/* enum alu, enum one or enum bit */
	uint8_t length;
	uint8_t size;		/* bytes of the access; of one element of a string */
	uint8_t width;		/* bytes of the register; differs from size in movzx and movsx */
	uint8_t reg;		/* number, or NO_REGISTER: the constant */
	bool high;		/* it is AH, CH, DH or BH, numbered 0 to 3 */
	bool sign;		/* movsx, movsxd */
	bool rep;
	bool short_address;	/* 67: the address has 32 bits */
	uint8_t base, index;	/* numbers, or NO_REGISTER */
	uint8_t scale;		/* shift of the index */
	int64_t displacement;
	bool relative;		/* to the following instruction's address */
	int64_t constant;
};

/*
 * Decodes an instruction that the wedge can do in its place. Returns NULL, or why it cannot.
 */
const char *form_decode(struct form *form, const uint8_t *bytes, size_t available);

/* length.c: any instruction of 64-bit code */

/* Its length, or 0 if the bytes are no instruction or end within it. */
size_t insn_length(const uint8_t *bytes, size_t available);

/* True if it is a jump or call to an address that it holds itself; then that address. */
bool insn_target(const uint8_t *bytes, size_t length, uint64_t ip, uint64_t *target);

/* The same for an operand that is addressed relative to the instruction. */
bool insn_relative(const uint8_t *bytes, size_t length, uint64_t ip, uint64_t *target);

/* True for what assemblers pad with. */
bool insn_is_nop(const uint8_t *bytes, size_t length);

#endif
