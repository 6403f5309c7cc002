/*
 * insn.h: the little that the wedge has to know of an x86 instruction before it runs: whether it reads and writes the
 * same operand, whether it is a string instruction, and whether its memory operand can be a device at all.
 */
#ifndef REHEAT_INSN_H
#define REHEAT_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum insn_map { MAP_ONE, MAP_0F, MAP_0F38, MAP_0F3A, MAP_OTHER };

struct insn {
	uint8_t map;		/* enum insn_map */
	uint8_t opcode;
	uint8_t modrm;		/* where has_modrm */
	uint8_t sib;
	uint8_t segment;	/* the override prefix byte, or 0 */
	uint8_t rex;		/* 40..4f, or 0 */
	uint8_t vector_bytes;	/* 16, 32 or 64 by VEX.L or EVEX.L'L, else 0 */
	bool has_modrm;
	bool rep;		/* F2 or F3; in a vector prefix the bits that stand for them */
	bool operand16;		/* 66, likewise */
	bool address_size;	/* 67 */
	bool vex;
	int bits;		/* 16, 32, 64, or 0: unknown */
	uint8_t opcode_at;	/* position of the opcode itself, behind prefixes and escape bytes */
	uint8_t displacement_at; /* position of the displacement in 32- and 64-bit code, where has_modrm */
};

/*
 * Decodes prefixes, opcode and ModRM of one whole instruction. bits is 16, 32 or 64, or 0 if unknown; then the length
 * decides: 40..4f is INC/DEC where it ends the instruction, REX where it does not. False: not x86 as far as the table
 * goes.
 */
bool insn_decode(struct insn *insn, const uint8_t *bytes, size_t length, int bits);

/* True if the explicit memory operand is read and then written by this one instruction. */
bool insn_is_rmw(const struct insn *insn);

/* True for movs, cmps, stos, lods, scas, ins, outs. */
bool insn_is_string(const struct insn *insn);

/* True if the instruction surely touches no memory, or only the stack's. */
bool insn_has_no_operand_in_memory(const struct insn *insn);

enum insn_effect { EFFECT_NONE, EFFECT_TRANSLATION, EFFECT_NESTED };

/*
 * Whether the instruction may change what virtual addresses mean: invlpg, invpcid, a load of a control register, far
 * transfers (task switches), rsm; or, vmrun, starts a guest that has page tables of its own.
 */
enum insn_effect insn_effect(const struct insn *insn);

/* Bytes of the SSE/AVX memory operand that QEMU splits into accesses of 8, or 0. */
unsigned int insn_wide_bytes(const struct insn *insn);

/* The contract's own function: 1, or 0. bits as above. */
int rh_is_rmw(const uint8_t *bytes, size_t length, int bits);

#endif
