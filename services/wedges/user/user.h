/*
 * user.h: what the parts of the user-mode wedge share. In the order of a run: options and program (what is loaded), rewrite and thunk
 * (its sites), trap (what was not rewritten), hits (what was).
 */
#ifndef REHEAT_USER_H
#define REHEAT_USER_H

#include <stdio.h>

#include "../include/reheat_ring.h"
#include "emulate.h"
#include "machine.h"

#define WEDGE_VERSION	"1"
#define LOW_AREA	0x70000000ull	/* thunks and what they touch: within reach of the guest's code by 32-bit distances */
#define HIGHEST_GUEST	0x60000000ull

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

struct options {
	const char *directory, *guest, *program, *report;
	uint64_t capacity;
	bool rewrite;
};

extern struct options options;

/* program.c: the guest's ELF file */

struct range {
	uint64_t start, end;		/* end excluded */
};

struct record {
	uint64_t start, end;
	const char *section;		/* its name */
};

struct program {
	unsigned char *file;		/* private copy */
	uint64_t bytes, entry;
	struct range *code;		/* executable sections, ascending */
	struct range *functions;	/* of symbols that have a size, ascending, without repeats */
	uint64_t *labels;		/* values of all symbols in code */
	struct record *records;
	unsigned int codes, n_functions, n_labels, n_records;
};

extern struct program program;

/* Reads the file and puts it where it belongs. Returns 0, or -1 after a message. */
int program_load(void);
bool program_is_code(uint64_t start, uint64_t end);

/* rewrite.c */

struct site {
	uint64_t count[TARGETS][3];	/* executions by target and intent: what thunks count */
	uint64_t more[TARGETS][3];	/* further elements of string instructions */
	uint64_t told[TARGETS][3];	/* what the ring has taken of both */
	uint64_t told_more[TARGETS][3];
	uint64_t start, end;
	struct form form;
	const char *section;
	const char *refused;		/* why it was not rewritten */
	uint8_t bytes[15];		/* the instruction that stood there */
	uint8_t is_told;		/* the code file has it */
};

extern struct site *sites;		/* in the low area, ascending */
extern unsigned int n_sites, n_rewritten;

/* Checks the program's records and rewrites what may be rewritten. Returns 0, or -1 after a message. */
int rewrite_all(void);
/* Writes what became of each record, a line each. */
void rewrite_report(FILE *out);

/* thunk.c */

int thunk_open(void *code, uint64_t bytes);
/* Makes the site's thunk; its address, or 0 if there is no room. */
uint64_t thunk_make(struct site *site);

/* hits.c: called by thunks */

struct registers;
uint64_t hit_load(struct site *site, uint64_t address) KEEPS_REGISTERS;
void hit_store(struct site *site, uint64_t address, uint64_t value) KEEPS_REGISTERS;
void hit_any(struct site *site, struct registers *registers);

/* session.c */

int session_open(void);
/* A trap's access; more: not the execution's first. */
void session_trap(uint64_t ip, const struct form *form, uint8_t target, enum intent intent, uint64_t address, unsigned int size, bool more);
/* Moves what thunks counted since the last time to the ring, as far as it takes it. */
void session_drain(void);
/* The same for the last time: what the ring does not take is counted as dropped. */
void session_close(void);
void session_totals(uint64_t *traps, uint64_t *hits, uint64_t *dropped);

/* trap.c */

int trap_open(void);
_Noreturn void trap_enter(uint64_t entry);

#endif
