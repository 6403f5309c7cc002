/*
 * length.c: the length of any instruction of 64-bit code, and where a branch leads. What a site's rewriting must not break is
 * found out by walking whole functions; the tests lay this beside objdump.
 */
#include "decode.h"
#include <string.h>
#include "../qemu/insn.h"

/* Bytes of displacement behind ModRM and SIB. */
static size_t displacement(const struct insn *insn)
{
	if (!insn->has_modrm || insn->modrm >= 0xc0)
		return 0;
	switch (insn->modrm >> 6) {
	case 0:
		if ((insn->modrm & 7) == 5)
			return 4;
		return (insn->modrm & 7) == 4 && (insn->sib & 7) == 5 ? 4 : 0;
	case 1:
		return 1;
	default:
		return 4;
	}
}

static size_t one_byte_constant(const struct insn *insn)
{
	uint8_t op = insn->opcode;
	size_t word = insn->operand16 && !(insn->rex & 8) ? 2 : 4;

	if (op < 0x40)
		return (op & 7) == 4 ? 1 : (op & 7) == 5 ? word : 0;
	switch (op) {
	case 0x6a: case 0x6b: case 0x70 ... 0x7f: case 0x80: case 0x83: case 0xa8: case 0xb0 ... 0xb7:
	case 0xc0: case 0xc1: case 0xc6: case 0xcd: case 0xe0 ... 0xe7: case 0xeb:
		return 1;
	case 0x68: case 0x69: case 0x81: case 0xa9: case 0xc7:
		return word;
	case 0xe8: case 0xe9:
		return 4;
	case 0xb8 ... 0xbf:
		return insn->rex & 8 ? 8 : word;
	case 0xa0 ... 0xa3:
		return insn->address_size ? 4 : 8;
	case 0xc2: case 0xca:
		return 2;
	case 0xc8:
		return 3;
	case 0xf6:
		return (insn->modrm >> 3 & 7) < 2 ? 1 : 0;
	case 0xf7:
		return (insn->modrm >> 3 & 7) < 2 ? word : 0;
	}
	return 0;
}

static size_t map_0f_constant(const struct insn *insn)
{
	switch (insn->opcode) {
	case 0x70 ... 0x73: case 0xc2: case 0xc4 ... 0xc6:
		return 1;
	case 0x0f: case 0xa4: case 0xac: case 0xba:
		return insn->vex ? 0 : 1;
	case 0x80 ... 0x8f:
		return insn->vex ? 0 : 4;
	}
	return 0;
}

static bool is_invalid(const struct insn *insn)
{
	if (insn->map != MAP_ONE || insn->vex)
		return false;
	switch (insn->opcode) {
	case 0x06: case 0x07: case 0x0e: case 0x16: case 0x17: case 0x1e: case 0x1f: case 0x27: case 0x2f: case 0x37: case 0x3f:
	case 0x60 ... 0x62: case 0x82: case 0x9a: case 0xc4: case 0xc5: case 0xce: case 0xd4 ... 0xd6: case 0xea:
		return true;
	}
	return false;
}

size_t insn_length(const uint8_t *bytes, size_t available)
{
	struct insn insn;
	size_t length;

	if (available > 15)
		available = 15;
	if (!insn_decode(&insn, bytes, available, 64) || is_invalid(&insn) || insn.map == MAP_OTHER)
		return 0;
	/* The bytes ended before the SIB byte. */
	if (insn.has_modrm && insn.modrm < 0xc0 && (insn.modrm & 7) == 4 && insn.displacement_at != insn.opcode_at + 3)
		return 0;
	length = insn.has_modrm ? insn.displacement_at : insn.opcode_at + 1u;
	length += displacement(&insn);
	if (insn.map == MAP_ONE)
		length += one_byte_constant(&insn);
	else if (insn.map == MAP_0F)
		length += map_0f_constant(&insn);
	else if (insn.map == MAP_0F3A)
		length += 1;
	return length <= available ? length : 0;
}

bool insn_target(const uint8_t *bytes, size_t length, uint64_t ip, uint64_t *target)
{
	struct insn insn;
	int64_t distance;
	int32_t wide;
	uint8_t op;

	if (!insn_decode(&insn, bytes, length, 64) || insn.vex)
		return false;
	op = insn.opcode;
	if (insn.map == MAP_ONE && ((op >= 0x70 && op <= 0x7f) || (op >= 0xe0 && op <= 0xe3) || op == 0xeb)) {
		distance = (int8_t)bytes[length - 1];
	} else if ((insn.map == MAP_ONE && (op == 0xe8 || op == 0xe9)) || (insn.map == MAP_0F && op >= 0x80 && op <= 0x8f) ||
		   (insn.map == MAP_ONE && op == 0xc7 && insn.modrm == 0xf8)) {
		memcpy(&wide, bytes + length - sizeof(wide), sizeof(wide));
		distance = wide;
	} else {
		return false;
	}
	*target = ip + length + (uint64_t)distance;
	return true;
}

bool insn_relative(const uint8_t *bytes, size_t length, uint64_t ip, uint64_t *target)
{
	struct insn insn;
	int32_t distance;

	if (!insn_decode(&insn, bytes, length, 64) || !insn.has_modrm || (insn.modrm & 0xc7) != 5 ||
	    insn.displacement_at + sizeof(distance) > length)
		return false;
	memcpy(&distance, bytes + insn.displacement_at, sizeof(distance));
	*target = ip + length + (uint64_t)(int64_t)distance;
	return true;
}

bool insn_is_nop(const uint8_t *bytes, size_t length)
{
	struct insn insn;

	if (!insn_decode(&insn, bytes, length, 64) || insn.vex)
		return false;
	/* F3 90 is pause, 41 90 exchanges r8; 0F 1F is the long one. */
	if (insn.map == MAP_ONE)
		return insn.opcode == 0x90 && !insn.rep && !(insn.rex & 1);
	return insn.map == MAP_0F && insn.opcode == 0x1f;
}
