/*
 * insn.c: prefixes, opcode map, ModRM. No operand sizes and no immediates: the emulator tells the length.
 */
#include "insn.h"

static bool one_byte_has_modrm(uint8_t op)
{
	if (op < 0x40)
		return (op & 7) < 4;
	switch (op) {
	case 0x62: case 0x63: case 0x69: case 0x6b:
	case 0x80 ... 0x8f:
	case 0xc0: case 0xc1: case 0xc4 ... 0xc7:
	case 0xd0 ... 0xd3: case 0xd8 ... 0xdf:
	case 0xf6: case 0xf7: case 0xfe: case 0xff:
		return true;
	}
	return false;
}

static bool map_0f_has_modrm(uint8_t op)
{
	switch (op) {
	case 0x04 ... 0x0c: case 0x0e: case 0x30 ... 0x37: case 0x77: case 0x80 ... 0x8f:
	case 0xa0 ... 0xa2: case 0xa8 ... 0xaa: case 0xc8 ... 0xcf:
		return false;
	}
	return true;
}

/* C5, C4 and 62 are VEX and EVEX in 64-bit mode; elsewhere only if mod is 3, which LDS, LES and BOUND cannot have. */
static bool is_vector_prefix(const uint8_t *p, size_t left, int bits)
{
	if (left < 3 || (p[0] != 0xc4 && p[0] != 0xc5 && p[0] != 0x62))
		return false;
	return bits == 64 || (p[1] & 0xc0) == 0xc0;
}

static size_t vector_prefix(struct insn *insn, const uint8_t *p, size_t left)
{
	static const uint8_t maps[8] = { MAP_OTHER, MAP_0F, MAP_0F38, MAP_0F3A,
					 MAP_OTHER, MAP_OTHER, MAP_OTHER, MAP_OTHER };

	uint8_t pp;
	size_t used;

	insn->vex = true;
	if (p[0] == 0xc5) {
		insn->map = MAP_0F;
		insn->vector_bytes = p[1] & 4 ? 32 : 16;
		pp = p[1];
		used = 2;
	} else if (p[0] == 0xc4 && left >= 4) {
		insn->map = (p[1] & 0x1f) < 8 ? maps[p[1] & 7] : MAP_OTHER;
		insn->vector_bytes = p[2] & 4 ? 32 : 16;
		pp = p[2];
		used = 3;
	} else if (p[0] == 0x62 && left >= 5) {
		insn->map = maps[p[1] & 7];
		insn->vector_bytes = 16 << (p[3] >> 5 & 3);
		pp = p[2];
		used = 4;
	} else {
		insn->map = MAP_OTHER;
		return 1;
	}
	insn->operand16 = (pp & 3) == 1;
	insn->rep = (pp & 3) > 1;
	return used;
}

bool insn_decode(struct insn *insn, const uint8_t *bytes, size_t length, int bits)
{
	size_t i = 0;

	*insn = (struct insn){ .bits = bits };
	for (; i < length; i++) {
		uint8_t b = bytes[i];

		if (b == 0xf2 || b == 0xf3)
			insn->rep = true;
		else if (b == 0x66)
			insn->operand16 = true;
		else if (b == 0x67)
			insn->address_size = true;
		else if (b == 0x26 || b == 0x2e || b == 0x36 || b == 0x3e || b == 0x64 || b == 0x65)
			insn->segment = b;
		else if (b != 0xf0)
			break;
	}
	if (i < length && (bytes[i] & 0xf0) == 0x40 && (bits == 64 || (bits == 0 && i + 1 < length))) {
		insn->bits = 64;
		insn->rex = bytes[i++];
	}
	if (i >= length)
		return false;

	if (is_vector_prefix(bytes + i, length - i, insn->bits))
		i += vector_prefix(insn, bytes + i, length - i);
	else if (bytes[i] == 0x0f && i + 1 < length && bytes[i + 1] == 0x38)
		insn->map = MAP_0F38, i += 2;
	else if (bytes[i] == 0x0f && i + 1 < length && bytes[i + 1] == 0x3a)
		insn->map = MAP_0F3A, i += 2;
	else if (bytes[i] == 0x0f)
		insn->map = MAP_0F, i++;
	if (i >= length)
		return false;

	insn->opcode_at = (uint8_t)i;
	insn->opcode = bytes[i++];
	insn->has_modrm = insn->map == MAP_ONE ? one_byte_has_modrm(insn->opcode)
			: insn->map == MAP_0F ? map_0f_has_modrm(insn->opcode) : true;
	if (!insn->has_modrm)
		return true;
	if (i >= length)
		return false;
	insn->modrm = bytes[i++];
	insn->displacement_at = i;
	if ((insn->modrm & 7) == 4 && insn->modrm < 0xc0 && insn->bits != 16 && i < length) {
		insn->sib = bytes[i];
		insn->displacement_at = i + 1;
	}
	return true;
}

bool insn_is_string(const struct insn *insn)
{
	if (insn->map != MAP_ONE)
		return false;
	switch (insn->opcode) {
	case 0x6c ... 0x6f: case 0xa4 ... 0xa7: case 0xaa ... 0xaf:
		return true;
	}
	return false;
}

bool insn_has_no_operand_in_memory(const struct insn *insn)
{
	uint8_t op = insn->opcode;

	if (insn->map == MAP_ONE && !insn->has_modrm) {
		switch (op) {
		case 0x6c ... 0x6f:	/* ins, outs */
		case 0xa0 ... 0xa3:	/* mov with an absolute address */
		case 0xa4 ... 0xa7: case 0xaa ... 0xaf:
		case 0xd7:		/* xlat */
			return false;
		}
		return true;		/* push, pop, call, ret, enter, leave, pusha, iret: the stack */
	}
	if (insn->map == MAP_0F && !insn->has_modrm)
		return true;
	/* nop, prefetch, hint */
	if (insn->map == MAP_0F && !insn->vex && (op == 0x0d || (op >= 0x18 && op <= 0x1f && op != 0x1a && op != 0x1b)))
		return true;
	if (insn->map == MAP_ONE && op == 0x8d)
		return true;		/* lea */
	if (insn->modrm < 0xc0)
		return false;
	/* maskmov stores through rdi, enclave and virtual-machine instructions through rax, each with mod 3 */
	return !(insn->map == MAP_0F && (op == 0xf7 || op == 0x01));
}

static enum insn_effect effect_0f01(uint8_t modrm)
{
	unsigned int reg = modrm >> 3 & 7;

	if (modrm == 0xd8)
		return EFFECT_NESTED;		/* vmrun */
	if (modrm == 0xdf)
		return EFFECT_TRANSLATION;	/* invlpga */
	return reg == 6 || (reg == 7 && modrm < 0xc0) ? EFFECT_TRANSLATION : EFFECT_NONE; /* lmsw, invlpg */
}

enum insn_effect insn_effect(const struct insn *insn)
{
	uint8_t op = insn->opcode, reg = insn->modrm >> 3 & 7;
	bool yes = false;

	if (insn->vex)
		return EFFECT_NONE;
	switch (insn->map) {
	case MAP_ONE:
		/* far call and jump; out, of which one moves the A20 line, matters in firmware */
		yes = op == 0x9a || op == 0xea || (op == 0xff && (reg == 3 || reg == 5)) ||
		      (insn->bits != 64 && (op == 0xe6 || op == 0xee));
		break;
	case MAP_0F:
		if (op == 0x01)
			return effect_0f01(insn->modrm);
		yes = op == 0x22 || op == 0xaa;	/* mov to a control register, rsm */
		break;
	case MAP_0F38:
		yes = op == 0x82 && insn->operand16;	/* invpcid */
		break;
	}
	return yes ? EFFECT_TRANSLATION : EFFECT_NONE;
}

unsigned int insn_wide_bytes(const struct insn *insn)
{
	unsigned int bytes = insn->vex ? insn->vector_bytes : 16;
	uint8_t op = insn->opcode;

	if (!insn->has_modrm || insn->modrm >= 0xc0)
		return 0;
	if (insn->map == MAP_0F38)
		return op == 0x2a && insn->operand16 ? bytes : 0;	/* movntdqa */
	if (insn->map != MAP_0F)
		return 0;
	switch (op) {
	case 0x10: case 0x11:			/* movups, movupd; with f2 or f3 scalar */
		return insn->rep ? 0 : bytes;
	case 0x28: case 0x29: case 0x2b:	/* movaps, movapd, movntps */
		return bytes;
	case 0x6f: case 0x7f: case 0xe7:	/* movdqa, movdqu, movntdq; without prefix MMX's 8 bytes */
		return insn->rep || insn->operand16 ? bytes : 0;
	}
	return 0;
}
