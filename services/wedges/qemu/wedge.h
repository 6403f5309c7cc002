/*
 * wedge.h: what the parts of the QEMU wedge share. Stages in the order of the data path: options, session, translate
 * (which instruction gets which callback), access (the callbacks), ram and physical (was it a device, and where), tables,
 * roots and memory (was it a page table, and of which level), run (executions of rep), annotated (is it a hit), site and
 * code, map (where devices were at the end).
 */
#ifndef REHEAT_WEDGE_H
#define REHEAT_WEDGE_H

#include "../include/reheat_ring.h"
#include "qemu_plugin_v1.h"

#define WEDGE_VERSION	"1"
#define MAX_RANGES	32

#define likely(x)	__builtin_expect(!!(x), 1)
#define unlikely(x)	__builtin_expect(!!(x), 0)

/* options.c */

struct range {
	uint64_t low;
	uint64_t high;			/* last byte */
};

enum tables { TABLES_OFF, TABLES_WRITES, TABLES_ALL };

struct options {
	const char *dir;
	const char *guest;
	const char *annotated;		/* file of the annotated places, or none */
	struct range inside[MAX_RANGES];
	int ranges;
	uint64_t capacity;		/* records a ring */
	int bits;			/* of code at addresses that do not tell; 0: unknown */
	bool walk;			/* look addresses up in the guest's page tables where QEMU lets us */
	bool filter;			/* keep a cache of pages known to be RAM; needs walk */
	enum tables tables;		/* which accesses to page tables are recorded; needs walk */
	const char *frames;		/* file that shows which frames are page tables, or none */
};

extern struct options options;

/* Returns 0, or -1 after a message that names the option and its value. */
int options_parse(int argc, char **argv);
bool options_inside(uint64_t ip);

/* site.c: one instruction of a guest that the wedge was told to watch, kept for the life of the emulator */

struct site {
	uint64_t ip;
	uint64_t name;			/* ip, or, in an annotated site's thunk, the site's address */
	struct site *next;		/* in its bucket, newest first */
	uint8_t length;
	uint8_t bytes[15];
	uint8_t told;			/* the code file's last entry for name has these bytes */
	uint8_t hit;			/* it is annotated */
};

/*
 * What a callback gets: a site, or, for code that has none (outside, or past the bound), the address itself with the
 * length in bits 2 to 5. Bit 1: a rep instruction that is not first in its translation block.
 */
#define REF_PACKED	1u
#define REF_ENTERED	2u
#define REF_FLAGS	3u

static inline struct site *ref_site(uintptr_t ref)
{
	return (struct site *)(ref & ~(uintptr_t)REF_FLAGS);
}

static inline uintptr_t ref_pack(uint64_t ip, size_t length)
{
	return (uintptr_t)(ip << 6 | (length & 15) << 2 | REF_PACKED);
}

/* Addresses are canonical in at most 57 bits, so the shift loses nothing. */
static inline uint64_t ref_ip(uintptr_t ref)
{
	return ref & REF_PACKED ? (uint64_t)((int64_t)ref >> 6) : ref_site(ref)->ip;
}

static inline unsigned int ref_length(uintptr_t ref)
{
	return ref & REF_PACKED ? ref >> 2 & 15 : ref_site(ref)->length;
}

uintptr_t site_intern(uint64_t ip, const uint8_t *bytes, size_t length);
/* Writes the site's bytes to the code file unless they are its last entry already. */
void site_tell(struct site *site);

/* annotated.c: the places that records of the guest's own images name */

/* Reads options.annotated. Returns 0, or -1 after a message that names the file and the line. */
int annotated_open(void);
unsigned int annotated_count(void);
/* True if the instruction at ip is an annotated site's; then the address that the site is called by. */
bool annotated_find(uint64_t ip, uint64_t *site);

/* session.c: the directory, its rings and its code file */

/* An execution of a rep (or wide) instruction that has begun and is not known to have ended. */
struct run {
	uint64_t after;			/* address of the following instruction: names the site */
	uint64_t up, down;		/* where its next element would be */
	uint8_t operation;
	uint8_t left;			/* wide: accesses still to come */
	uint8_t quiet;			/* rep: a round has begun and had no element yet */
};

#define MAX_RUNS	8
#define RAM_SLOTS	2048u
#define RAM_GENERATION	(1ull << 45)	/* above the bits of a page's number, 57 - 12 */

/* A page known to be RAM. */
struct page {
	uint64_t tag;			/* its number and generation */
	uint8_t *frame;			/* what table_frames says of it */
};

struct vcpu {
	uint64_t generation;		/* of the entries that count */
	struct rh_producer ring;
	void *cpu;			/* QEMU's, for page walks; 0 until wanted */
	void *registers;		/* where QEMU puts one */
	struct root *root;		/* that CR3 had when it was looked at */
	uint16_t index;
	uint8_t closed;
	uint8_t busy;
	uint8_t moved;			/* CR3 may be another since */
	unsigned int runs;
	struct run run[MAX_RUNS];
	struct page ram[RAM_SLOTS];
} __attribute__((aligned(64)));

extern struct vcpu **vcpus;		/* by index */
unsigned int session_vcpus(void);	/* at most */

int session_open(const qemu_info_t *info);
void session_add_vcpu(unsigned int index);
void session_close_vcpu(unsigned int index);
void session_close(void);
/* Appends to the code file, or counts that it is full. One caller at a time. */
void session_tell(uint64_t ip, const uint8_t *bytes, size_t length);
/* Once, at the end. */
void session_memory_map(const char *text);

/* run.c */

/* Says that an instruction at ip follows a rep; a block that begins there is to report it. */
void run_expect(uint64_t after);
bool run_is_expected(uint64_t ip);
/* True if the end of an execution is reported by run_end, callback of the following instruction. */
bool run_end_is_seen(uint64_t after);
void run_end(unsigned int vcpu_index, void *after);
/* Callback of a rep that begins its block, before each round. */
void run_round(unsigned int vcpu_index, void *after);
bool run_continues(struct vcpu *v, uintptr_t ref, uint8_t operation, uint64_t address, unsigned int size);
bool run_continues_wide(struct vcpu *v, uintptr_t ref, uint8_t operation, uint64_t address, unsigned int size,
			unsigned int accesses);

/* physical.c */

void physical_open(void);
const char *physical_source(void);
/* True if the access really was a device's; then its guest-physical address. */
bool physical_address(struct vcpu *v, uint64_t virtual, uint64_t reported, uint64_t *address);

/* Only where options.walk holds. */
void *physical_cpu(struct vcpu *v);
/* The page's address, or ~0. */
uint64_t physical_walk(struct vcpu *v, uint64_t virtual);
bool physical_is_io(uint64_t physical);

/* map.c */

/* Puts the machine's memory map into the session, as far as this emulator exports it. */
void map_write(void);

/* memory.c */

#define NO_ROOT		(~0ull)

struct paging {
	uint64_t root;			/* its physical address, or NO_ROOT: paging is off */
	uint8_t levels;			/* 2 to 5 */
	uint8_t entry;			/* bytes of one: 4 or 8 */
};

/* False: this emulator does not export what is needed. */
bool memory_open(const qemu_info_t *info);
/* Finds the RAM below low_end and from 4 GiB to high_end. Returns the address behind the last. */
uint64_t memory_survey(uint64_t low_end, uint64_t high_end);
void *memory_frame(uint64_t frame);
/* Where RAM lies that the plugin API knows by its offset in all RAM blocks; ~0: nowhere. */
uint64_t memory_address(uint64_t offset);
/* How this vCPU, whose thread it is, translates addresses. */
struct paging memory_paging(struct vcpu *v);

/* tables.c, roots.c */

#define TABLE_NAMES	5
#define TABLE_PARTLY	0x80u		/* parts of 32 bytes are page-directory-pointer tables: tables_partly */

extern const char *const table_names[TABLE_NAMES];

/* By frame: 0, or one more than the index of the table's name. table_none stands for what is no RAM. */
extern uint8_t *table_frames, table_none;
extern uint64_t table_frame_count;

static inline uint8_t *tables_frame(uint64_t physical)
{
	return physical >> 12 < table_frame_count ? &table_frames[physical >> 12] : &table_none;
}

/* Returns 0, or -1 after a message. */
int tables_check(void);
void tables_survey(uint64_t low_end, uint64_t high_end);
void tables_give_up(const char *why);
/* Looks at CR3. virtual is any address that this vCPU has just accessed. */
void tables_refresh(struct vcpu *v, uint64_t virtual);
/* Follows what was stored to a page table. */
void tables_stored(uint64_t physical, unsigned int bytes);
/* What the byte at this address belongs to, where its frame's name has TABLE_PARTLY. */
uint8_t tables_partly(uint64_t physical, uint8_t name);

/* ram.c */

static inline unsigned int ram_slot(uint64_t virtual)
{
	return virtual >> 12 & (RAM_SLOTS - 1);
}

static inline uint64_t ram_tag(const struct vcpu *v, uint64_t virtual)
{
	return (virtual >> 12 & (RAM_GENERATION - 1)) | v->generation;
}

/* What table_frames says of the page, or NULL if it is not known to be RAM. */
static inline uint8_t *ram_knows(const struct vcpu *v, uint64_t virtual)
{
	const struct page *p = &v->ram[ram_slot(virtual)];

	return p->tag == ram_tag(v, virtual) ? p->frame : NULL;
}

void ram_survey(void);
/* offset: the RAM's, as the plugin API reports it */
void ram_learn(struct vcpu *v, uint64_t virtual, uint64_t offset);
/* Callbacks of instructions that change what a virtual address means. */
void ram_forget(unsigned int vcpu_index, void *unused);
void ram_give_up(unsigned int vcpu_index, void *unused);

/* access.c */

enum shape { PLAIN, EXCHANGE, REP, WIDE16, WIDE32, SHAPES };

extern const qemu_plugin_vcpu_mem_cb_t access_inside[SHAPES], access_outside[SHAPES];

/* translate.c */

void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
void translate_open(const qemu_info_t *info);

#endif
