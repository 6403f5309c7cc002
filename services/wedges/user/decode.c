/*
 * decode.c: from bytes to a form. Prefixes, opcode map and ModRM are read by the QEMU wedge's decoder.
 */
#include "decode.h"
#include <string.h>
#include "../qemu/insn.h"

static int64_t constant(const uint8_t *bytes, size_t size)
{
	int64_t v;
	int32_t d;
	int16_t w;

	switch (size) {
	case 1:
		return (int8_t)bytes[0];
	case 2:
		memcpy(&w, bytes, 2);
		return w;
	case 4:
		memcpy(&d, bytes, 4);
		return d;
	default:
		memcpy(&v, bytes, 8);
		return v;
	}
}

static void address(struct form *f, const struct insn *insn, const uint8_t *bytes)
{
	unsigned int mod = insn->modrm >> 6, rm = insn->modrm & 7;

	f->base = rm | (insn->rex & 1) << 3;
	f->index = NO_REGISTER;
	if (rm == 4) {
		f->base = (insn->sib & 7) | (insn->rex & 1) << 3;
		f->index = (insn->sib >> 3 & 7) | (insn->rex & 2) << 2;
		f->scale = insn->sib >> 6;
		if (f->index == RSP)
			f->index = NO_REGISTER;
	}
	if (mod == 0 && (f->base & 7) == 5) {
		f->relative = rm == 5;
		f->base = NO_REGISTER;
	}
	if (mod == 1)
		f->displacement = constant(bytes + insn->displacement_at, 1);
	else if (mod == 2 || f->base == NO_REGISTER)
		f->displacement = constant(bytes + insn->displacement_at, 4);
}

/* Numbers 4 to 7 of a byte register are AH to BH, unless there is a REX prefix. */
static void take_register(struct form *f, const struct insn *insn, unsigned int number)
{
	f->reg = (uint8_t)number;
	if (f->width == 1 && !insn->rex && number >= 4 && number < 8) {
		f->reg = (uint8_t)(number - 4);
		f->high = true;
	}
}

static void take_constant(struct form *f, const uint8_t *bytes, size_t size)
{
	f->reg = NO_REGISTER;
	f->constant = constant(bytes + f->length - size, size);
}

static const char *alu_group(struct form *f, const struct insn *insn, const uint8_t *bytes)
{
	f->op = insn->modrm >> 3 & 7;
	f->kind = f->op == CMP ? ALU_TEST : ALU_STORE;
	take_constant(f, bytes, insn->opcode == 0x81 ? (f->size < 4 ? f->size : 4) : 1);
	return NULL;
}

static const char *one_byte(struct form *f, const struct insn *insn, const uint8_t *bytes)
{
	unsigned int extension = insn->modrm >> 3 & 7;
	uint8_t op = insn->opcode;

	if (op < 0x40 && (op & 7) < 4) {
		f->op = op >> 3;
		f->kind = (op & 2) ? ALU_LOAD : f->op == CMP ? ALU_TEST : ALU_STORE;
		return NULL;
	}
	switch (op) {
	case 0x63:
		f->kind = LOAD;
		f->sign = true;
		f->size = f->width < 4 ? f->width : 4;
		return NULL;
	case 0x80: case 0x81: case 0x83:
		return alu_group(f, insn, bytes);
	case 0x84: case 0x85:
		f->kind = ALU_TEST;
		f->op = TEST;
		return NULL;
	case 0x86: case 0x87:
		f->kind = XCHG;
		return NULL;
	case 0x88: case 0x89:
		f->kind = STORE;
		return NULL;
	case 0x8a: case 0x8b:
		f->kind = LOAD;
		return NULL;
	case 0x8f:
		f->kind = POP;
		f->size = f->width = insn->operand16 ? 2 : 8;
		return extension ? "no instruction that is known" : NULL;
	case 0xc6: case 0xc7:
		f->kind = STORE;
		take_constant(f, bytes, f->size < 4 ? f->size : 4);
		return extension ? "no instruction that is known" : NULL;
	case 0xf6: case 0xf7:
		if (extension < 2) {
			f->kind = ALU_TEST;
			f->op = TEST;
			take_constant(f, bytes, f->size < 4 ? f->size : 4);
			return NULL;
		}
		f->kind = ONE_STORE;
		f->op = extension == 2 ? NOT : NEG;
		return extension < 4 ? NULL : "multiplies or divides";
	case 0xfe: case 0xff:
		f->kind = ONE_STORE;
		f->op = extension == 0 ? INC : DEC;
		if (op == 0xff && extension == 6) {
			f->kind = PUSH;
			f->size = f->width = insn->operand16 ? 2 : 8;
		}
		return extension < 2 || f->kind == PUSH ? NULL : "calls or jumps through memory";
	}
	return "not an instruction that the wedge can do";
}

static const char *map_0f(struct form *f, const struct insn *insn, const uint8_t *bytes)
{
	uint8_t op = insn->opcode;

	switch (op) {
	case 0xb6: case 0xb7: case 0xbe: case 0xbf:
		f->kind = LOAD;
		f->sign = op >= 0xbe;
		f->size = op & 1 ? 2 : 1;
		return NULL;
	case 0xa3: case 0xab: case 0xb3: case 0xbb:
		f->op = op >> 3 & 3;
		f->kind = f->op == BT ? BIT_TEST : BIT_STORE;
		return NULL;
	case 0xba:
		f->op = insn->modrm >> 3 & 3;
		f->kind = f->op == BT ? BIT_TEST : BIT_STORE;
		take_constant(f, bytes, 1);
		return (insn->modrm >> 3 & 7) < 4 ? "no instruction that is known" : NULL;
	case 0xb0: case 0xb1:
		f->kind = CMPXCHG;
		return NULL;
	case 0xc0: case 0xc1:
		f->kind = XADD;
		return NULL;
	}
	return "not an instruction that the wedge can do";
}

/* Instructions without ModRM: mov with an absolute address, strings. */
static const char *plain(struct form *f, const struct insn *insn, const uint8_t *bytes)
{
	uint8_t op = insn->opcode;

	f->base = f->index = NO_REGISTER;
	f->reg = 0;
	f->rep = insn->rep;
	switch (op) {
	case 0xa0 ... 0xa3:
		f->kind = op < 0xa2 ? LOAD : STORE;
		f->displacement = constant(bytes + insn->opcode_at + 1, insn->address_size ? 4 : 8);
		return NULL;
	case 0xa4: case 0xa5:
		f->kind = MOVS;
		return NULL;
	case 0xaa: case 0xab:
		f->kind = STOS;
		return NULL;
	case 0xac: case 0xad:
		f->kind = LODS;
		return NULL;
	}
	return "not an instruction that the wedge can do";
}

/* True where the lowest bit of the opcode says that the operand is no byte. */
static bool is_byte(const struct insn *insn)
{
	uint8_t op = insn->opcode;

	if (op & 1)
		return false;
	if (insn->map == MAP_ONE)
		return op != 0x8f;
	return op == 0xb0 || op == 0xc0;	/* in this map ba and the other bit operations are even too */
}

const char *form_decode(struct form *f, const uint8_t *bytes, size_t available)
{
	size_t length = insn_length(bytes, available);
	struct insn insn;

	*f = (struct form){ .length = (uint8_t)length };
	if (!length || !insn_decode(&insn, bytes, length, 64))
		return "no instruction that is known";
	if (insn.vex || (insn.map != MAP_ONE && insn.map != MAP_0F))
		return "a vector instruction";
	if (insn.segment == 0x64 || insn.segment == 0x65)
		return "addresses by fs or gs";
	f->size = f->width = is_byte(&insn) ? 1 : insn.rex & 8 ? 8 : insn.operand16 ? 2 : 4;
	f->short_address = insn.address_size;
	if (insn.map == MAP_ONE && !insn.has_modrm)
		return plain(f, &insn, bytes);
	if (!insn.has_modrm || insn.modrm >= 0xc0)
		return "accesses no memory";
	address(f, &insn, bytes);
	take_register(f, &insn, (insn.modrm >> 3 & 7) | (insn.rex & 4u) << 1);
	return insn.map == MAP_ONE ? one_byte(f, &insn, bytes) : map_0f(f, &insn, bytes);
}
