/*
 * emulate.h: doing an instruction's access in its place, after a trap or from a site's thunk. Compiled without vector
 * registers, as those are the guest's.
 */
#ifndef REHEAT_EMULATE_H
#define REHEAT_EMULATE_H

#include "decode.h"

/*
 * The guest's registers by number. Flags as LAHF and SETO give them: AH in bits 8 to 15, OF in bit 0. That saves and
 * restores them in a few cycles, where POPF takes tens; the direction flag is not in it and stays in the processor.
 */
struct registers {
	uint64_t r[16];
	uint64_t flags;
};

enum intent { READ, WRITE, EXCHANGE };

/* Told of each access to something sensitive, before it is done. */
struct observer {
	void (*touch)(struct observer *o, uint8_t target, enum intent intent, uint64_t address, unsigned int size);
	uint8_t begun;		/* bit for each intent that the execution has had */
};

/* next: address of the following instruction. down: the direction flag. */
void emulate(const struct form *form, uint64_t next, bool down, struct registers *registers, struct observer *observer);

/* What an instruction that reads and writes its operand makes of the old value, registers and flags included. */
uint64_t emulate_exchange(const struct form *form, uint64_t old, struct registers *registers);

uint64_t form_address(const struct form *form, uint64_t next, const struct registers *registers);

#endif
