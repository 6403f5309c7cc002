/*
 * program.c: the guest is a 64-bit ELF program that is linked for fixed addresses and needs no other file. It is mapped where it was linked
 * for, twice: once as it asks, and once writable for the wedge. Its records are read from its file, as they are not loaded.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mmu.h"
#include "user.h"

#define MOST_MEMORY	(256ull << 20)
#define RECORDS		".afterburn"

struct program program;

static int refuse(const char *what)
{
	fprintf(stderr, "reheat-user: %s: %s\n", options.program, what);
	return -1;
}

static int read_file(void)
{
	int file = open(options.program, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (file < 0 || fstat(file, &st))
		return refuse(strerror(errno));
	program.bytes = (uint64_t)st.st_size;
	program.file = malloc(program.bytes + 1);
	n = program.file ? read(file, program.file, program.bytes) : -1;
	close(file);
	if (n < 0 || (uint64_t)n != program.bytes)
		return refuse("cannot be read");
	return 0;
}

/* A part of the file, or NULL if it is not all there. */
static unsigned char *bytes_at(uint64_t offset, uint64_t bytes)
{
	return offset <= program.bytes && bytes <= program.bytes - offset ? program.file + offset : NULL;
}

/* The same for what has words in it. */
static void *part(uint64_t offset, uint64_t bytes)
{
	return offset % 8 == 0 ? bytes_at(offset, bytes) : NULL;
}

static int check_header(const Elf64_Ehdr *h)
{
	if (program.bytes < sizeof(*h) || memcmp(h->e_ident, ELFMAG, SELFMAG))
		return refuse("not an ELF file");
	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_machine != EM_X86_64)
		return refuse("not a 64-bit x86 program: the wedge runs nothing else");
	if (h->e_type != ET_EXEC)
		return refuse("not linked for fixed addresses: link it with -static -no-pie");
	if (h->e_phentsize != sizeof(Elf64_Phdr) || !part(h->e_phoff, (uint64_t)h->e_phnum * sizeof(Elf64_Phdr)))
		return refuse("its program headers are not in the file");
	return 0;
}

/* The addresses that segments cover; the loader has nobody to ask for more. */
static int bounds(const Elf64_Phdr *p, unsigned int count)
{
	uint64_t low = ~0ull, high = 0;
	unsigned int i;

	for (i = 0; i < count; i++) {
		if (p[i].p_type == PT_INTERP || p[i].p_type == PT_DYNAMIC)
			return refuse("needs a dynamic linker: link it with -static -no-pie");
		if (p[i].p_type == PT_TLS)
			return refuse("has thread-local data: the wedge has none to give");
		if (p[i].p_type != PT_LOAD || !p[i].p_memsz)
			continue;
		if (p[i].p_filesz > p[i].p_memsz || p[i].p_offset > program.bytes || p[i].p_filesz > program.bytes - p[i].p_offset ||
		    p[i].p_vaddr > HIGHEST_GUEST || p[i].p_memsz > HIGHEST_GUEST - p[i].p_vaddr)
			return refuse("a segment is not in the file, or lies above 0x60000000");
		low = p[i].p_vaddr < low ? p[i].p_vaddr : low;
		high = p[i].p_vaddr + p[i].p_memsz > high ? p[i].p_vaddr + p[i].p_memsz : high;
	}
	if (low >= high || low < 0x10000 || high - low > MOST_MEMORY)
		return refuse("its segments must lie between 0x10000 and 0x60000000, within 256 MiB of each other");
	machine_memory.low = low & ~(PAGE - 1);
	machine_memory.high = (high + PAGE - 1) & ~(PAGE - 1);
	return 0;
}

static int map_memory(void)
{
	uint64_t bytes = machine_memory.high - machine_memory.low;
	int file = memfd_create("guest", MFD_CLOEXEC);
	void *guest;

	if (file < 0 || ftruncate(file, (off_t)bytes))
		return refuse(strerror(errno));
	machine_memory.alias = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	guest = mmap((void *)machine_memory.low, bytes, PROT_NONE, MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0);
	close(file);
	if (machine_memory.alias == MAP_FAILED || guest != (void *)machine_memory.low)
		return refuse("cannot be mapped at the addresses that it is linked for");
	guest = mmap((void *)DEVICES_LOW, DEVICES_HIGH - DEVICES_LOW, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
	if (guest != (void *)DEVICES_LOW)
		return refuse("the devices' addresses are not free in this process");
	machine_memory.levels = calloc(bytes / PAGE, 1);
	mmu_writable = calloc(bytes / PAGE, 1);
	mmu_references = calloc(bytes / PAGE, sizeof(*mmu_references));
	return machine_memory.levels && mmu_writable && mmu_references ? 0 : refuse("no memory");
}

static int map_segments(const Elf64_Phdr *p, unsigned int count)
{
	uint64_t pages = (machine_memory.high - machine_memory.low) / PAGE, first, last, page;
	uint8_t *flags = calloc(pages, 1);
	unsigned int i;

	if (!flags)
		return refuse("no memory");
	for (i = 0; i < count; i++) {
		if (p[i].p_type != PT_LOAD || !p[i].p_memsz)
			continue;
		memcpy(machine_at(p[i].p_vaddr), program.file + p[i].p_offset, p[i].p_filesz);
		first = (p[i].p_vaddr - machine_memory.low) / PAGE;
		last = (p[i].p_vaddr + p[i].p_memsz - 1 - machine_memory.low) / PAGE;
		for (page = first; page <= last; page++)
			flags[page] |= p[i].p_flags;
	}
	for (page = 0; page < pages; page++) {
		int protection = (flags[page] & PF_R ? PROT_READ : 0) | (flags[page] & PF_W ? PROT_WRITE : 0) | (flags[page] & PF_X ? PROT_EXEC : 0);

		mmu_writable[page] = (flags[page] & (PF_W | PF_X)) == PF_W;
		if (flags[page] && mprotect((void *)(machine_memory.low + page * PAGE), PAGE, protection)) {
			free(flags);
			return refuse(strerror(errno));
		}
	}
	free(flags);
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->start != y->start ? (x->start < y->start ? -1 : 1) : (x->end > y->end) - (x->end < y->end);
}

bool program_is_code(uint64_t start, uint64_t end)
{
	unsigned int i;

	for (i = 0; i < program.codes; i++)
		if (start >= program.code[i].start && start < program.code[i].end && end > start && end <= program.code[i].end)
			return true;
	return false;
}

static int take_code(const Elf64_Shdr *s)
{
	if (!machine_is_memory(s->sh_addr, s->sh_size) || !s->sh_size)
		return 0;
	program.code[program.codes++] = (struct range){ s->sh_addr, s->sh_addr + s->sh_size };
	return 0;
}

static int take_symbols(const Elf64_Shdr *s)
{
	const Elf64_Sym *symbols = part(s->sh_offset, s->sh_size);
	uint64_t count = s->sh_size / sizeof(*symbols), i;

	if (!symbols)
		return refuse("its symbol table is not in the file");
	program.functions = calloc(count + 1, sizeof(*program.functions));
	program.labels = calloc(count + 1, sizeof(*program.labels));
	if (!program.functions || !program.labels)
		return refuse("no memory");
	for (i = 0; i < count; i++) {
		uint64_t start = symbols[i].st_value, end = start + symbols[i].st_size;

		if (symbols[i].st_shndx == SHN_UNDEF || !program_is_code(start, start + 1))
			continue;
		program.labels[program.n_labels++] = start;
		if (ELF64_ST_TYPE(symbols[i].st_info) == STT_FUNC && program_is_code(start, end))
			program.functions[program.n_functions++] = (struct range){ start, end };
	}
	qsort(program.functions, program.n_functions, sizeof(*program.functions), by_start);
	return 0;
}

static int take_records(const Elf64_Shdr *s, const char *name)
{
	const unsigned char *from = bytes_at(s->sh_offset, s->sh_size);
	uint64_t count = s->sh_size / 16, words[2], i;
	struct record *more;

	if (!from || s->sh_size % 16) {
		fprintf(stderr, "reheat-user: %s: section %s is no whole number of records of 16 bytes in the file; left out\n", options.program, name);
		return 0;
	}
	more = realloc(program.records, (program.n_records + count + 1) * sizeof(*more));
	if (!more)
		return refuse("no memory");
	program.records = more;
	for (i = 0; i < count; i++) {
		memcpy(words, from + 16 * i, sizeof(words));	/* not all assemblers' sections are aligned */
		program.records[program.n_records++] = (struct record){ words[0], words[1], name };
	}
	return 0;
}

static bool is_record_section(const char *name)
{
	size_t n = sizeof(RECORDS) - 1;

	/* .afterburn.selftest holds counters, not records. */
	return !strncmp(name, RECORDS, n) && (!name[n] || (name[n] == '.' && strcmp(name + n, ".selftest")));
}

static int take_sections(const Elf64_Ehdr *h)
{
	const Elf64_Shdr *s = part(h->e_shoff, (uint64_t)h->e_shnum * sizeof(*s));
	const char *names;
	unsigned int i;

	program.code = calloc(h->e_shnum + 1u, sizeof(*program.code));
	if (!program.code)
		return refuse("no memory");
	if (!h->e_shnum)
		return 0;		/* it runs, but nobody knows where its records are */
	if (!s || h->e_shentsize != sizeof(*s) || h->e_shstrndx >= h->e_shnum || s[h->e_shstrndx].sh_offset > program.bytes ||
	    s[h->e_shstrndx].sh_size > program.bytes - s[h->e_shstrndx].sh_offset)
		return refuse("its section headers are not in the file");
	names = (const char *)program.file + s[h->e_shstrndx].sh_offset;
	program.file[program.bytes] = 0;	/* names end within the copy */
	for (i = 0; i < h->e_shnum; i++)
		if (s[i].sh_type == SHT_PROGBITS && (s[i].sh_flags & SHF_EXECINSTR) && take_code(&s[i]))
			return -1;
	qsort(program.code, program.codes, sizeof(*program.code), by_start);
	for (i = 0; i < h->e_shnum; i++) {
		if (s[i].sh_type == SHT_SYMTAB && !program.functions && take_symbols(&s[i]))
			return -1;
		if (s[i].sh_type == SHT_PROGBITS && s[i].sh_name < s[h->e_shstrndx].sh_size && is_record_section(names + s[i].sh_name) &&
		    take_records(&s[i], names + s[i].sh_name))
			return -1;
	}
	return 0;
}

int program_load(void)
{
	const Elf64_Ehdr *h;
	const Elf64_Phdr *p;

	if (read_file())
		return -1;
	h = (const Elf64_Ehdr *)program.file;
	if (check_header(h))
		return -1;
	p = (const Elf64_Phdr *)(program.file + h->e_phoff);
	program.entry = h->e_entry;
	if (bounds(p, h->e_phnum) || map_memory() || map_segments(p, h->e_phnum) || take_sections(h))
		return -1;
	return machine_is_memory(program.entry, 1) ? 0 : refuse("its entry point is outside its segments");
}
