/*
 * rmw.c: which instructions read and write one memory operand. The emulator reports a load and a store for them; the
 * wedge records one exchange.
 */
#include "insn.h"

static unsigned int reg(const struct insn *insn)
{
	return insn->modrm >> 3 & 7;
}

static bool one_byte(const struct insn *insn)
{
	uint8_t op = insn->opcode;

	if (op < 0x40)			/* add or adc sbb and sub xor with r; 38, 39 are cmp */
		return (op & 7) < 2 && op < 0x38;
	switch (op) {
	case 0x63:			/* arpl; movsxd in 64-bit code */
		return insn->bits == 16 || insn->bits == 32;
	case 0x80: case 0x81: case 0x83:
		return reg(insn) != 7;	/* cmp */
	case 0x82:			/* alias of 80 outside 64-bit mode */
		return insn->bits != 64 && reg(insn) != 7;
	case 0x86: case 0x87:		/* xchg */
	case 0xc0: case 0xc1: case 0xd0 ... 0xd3: /* shifts and rotates */
		return true;
	case 0xf6: case 0xf7:
		return reg(insn) == 2 || reg(insn) == 3; /* not, neg */
	case 0xfe: case 0xff:
		return reg(insn) < 2;	/* inc, dec */
	}
	return false;
}

static bool map_0f(const struct insn *insn)
{
	switch (insn->opcode) {
	case 0xa4: case 0xa5: case 0xac: case 0xad: /* shld, shrd */
	case 0xab: case 0xb3: case 0xbb:	/* bts, btr, btc */
	case 0xb0: case 0xb1:			/* cmpxchg */
	case 0xc0: case 0xc1:			/* xadd */
		return true;
	case 0xba:
		return reg(insn) > 4;		/* 4 is bt */
	case 0xc7:
		return reg(insn) == 1;		/* cmpxchg8b, cmpxchg16b */
	}
	return false;
}

/* Newer than the emulator, but the table is also what other wedges and the tests use. */
static bool map_0f38(const struct insn *insn)
{
	if (insn->vex)
		return insn->opcode >= 0xe0 && insn->opcode <= 0xef; /* cmpccxadd */
	return insn->opcode == 0xfc;		/* aadd, aand, aor, axor */
}

bool insn_is_rmw(const struct insn *insn)
{
	if (!insn->has_modrm || insn->modrm >= 0xc0)
		return false;
	if (insn->map == MAP_0F38)
		return map_0f38(insn);
	if (insn->vex)
		return false;
	return insn->map == MAP_ONE ? one_byte(insn) : insn->map == MAP_0F && map_0f(insn);
}

int rh_is_rmw(const uint8_t *bytes, size_t length, int bits)
{
	struct insn insn;

	return insn_decode(&insn, bytes, length, bits) && insn_is_rmw(&insn);
}
