/*
 * start.c: what runs before the runtime. Most files of most builds are nothing to us, and starting a runtime only to become as costs more than what
 * as then does for a small file: without a list the real assembler is found and exec'd here. Whatever is not plain goes on to Program.cs, which
 * knows all cases; the search agrees with RealProgram.cs.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

int __managed__Main(int argc, char **argv);

void *__real_mmap64(void *address, size_t length, int protection, int flags, int file, off_t offset);
int __real_madvise(void *address, size_t length, int advice);

/*
 * The collector reserves its heap inaccessible and opens it by 64 KiB, so that a run of milliseconds takes a page fault for each page of what it
 * allocates. Opened from the start, the system can give huge pages: a few faults instead of a thousand. Where it may not, all is as before.
 */
void *__wrap_mmap64(void *address, size_t length, int protection, int flags, int file, off_t offset)
{
	void *heap;

	if (!address && protection == PROT_NONE && file == -1 && length > 1ul << 30) {
		heap = __real_mmap64(address, length, PROT_READ | PROT_WRITE, flags | MAP_NORESERVE, file, offset);
		if (heap != MAP_FAILED) {
			__real_madvise(heap, length, MADV_HUGEPAGE);
			__real_madvise(heap, length, MADV_DONTDUMP);	/* a core dump would look at each page of it */
			return heap;
		}
	}
	return __real_mmap64(address, length, protection, flags, file, offset);
}

/* What is dumped and what is not, said of parts, would split the heap into mappings too small for huge pages. */
int __wrap_madvise(void *address, size_t length, int advice)
{
	return advice == MADV_DONTDUMP || advice == MADV_DODUMP ? 0 : __real_madvise(address, length, advice);
}

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value ? value : "";
}

/* A stand-in's real name says what it is; a hard link is this very file. */
static int is_real(const char *path, const struct stat *self)
{
	char real[PATH_MAX];
	struct stat file;
	const char *name;

	if (stat(path, &file) || !S_ISREG(file.st_mode) || access(path, X_OK) || !realpath(path, real))
		return 0;
	name = strrchr(real, '/');
	return strcmp(name ? name + 1 : real, "reheat-as") && (file.st_dev != self->st_dev || file.st_ino != self->st_ino);
}

static void become(const char *program, const char *directories, char **argv, const struct stat *self)
{
	char path[PATH_MAX];
	const char *end;

	for (; *directories; directories = *end ? end + 1 : end) {
		end = strchrnul(directories, ':');
		if (snprintf(path, sizeof(path), "%.*s/%s", (int)(end - directories), directories, program) >= (int)sizeof(path) ||
		    end == directories || !is_real(path, self))
			continue;
		argv[0] = path;
		execv(path, argv);
	}
}

/* Of the heap, in hexadecimal. Under a limit of address space (ulimit -v) a runtime that reserves more aborts before Program.cs can do anything. */
static const char *heap_range(void)
{
	static char range[32];
	unsigned long bytes = 16ul << 30;
	struct rlimit limit;

	if (!getrlimit(RLIMIT_AS, &limit) && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur / 4 < bytes)
		bytes = limit.rlim_cur / 4;
	if (bytes < 256ul << 20)
		return NULL;
	snprintf(range, sizeof(range), "%lx", bytes);
	return range;
}

int main(int argc, char **argv)
{
	const char *name = argc > 0 ? strrchr(argv[0], '/') : NULL, *heap = heap_range();
	int is_ld;
	struct stat self;

	name = name ? name + 1 : argc > 0 ? argv[0] : "";
	is_ld = !strcmp(name, "ld");
	if ((!heap || !*variable("REHEAT_ANNOTATIONS")) && !*variable(is_ld ? "REHEAT_LD" : "REHEAT_AS") &&
	    !*variable(is_ld ? "REHEAT_BEHIND_LD" : "REHEAT_BEHIND_AS") && !stat("/proc/self/exe", &self)) {
		const char *program = is_ld ? "ld" : "as", *trail = is_ld ? "REHEAT_BEHIND_LD" : "REHEAT_BEHIND_AS";

		if (*variable("REHEAT_ANNOTATIONS"))
			fprintf(stderr, "reheat-as: too little address space (ulimit -v) to annotate anything; only %s is run\n", program);
		setenv(trail, "start", 1);		/* RealProgram.cs: what we become may lead here again */
		become(program, variable("COMPILER_PATH"), argv, &self);
		become(program, *variable("PATH") ? variable("PATH") : "/usr/bin:/bin", argv, &self);
		unsetenv(trail);
	}
	/*
	 * Gone in milliseconds: there is nothing to collect. Texts and objects are large arrays, and each three megabytes of such would start a full
	 * collection if they were not taken for small ones; what keeps account of a heap of 256 GiB, the default, costs pages too. Program.cs takes
	 * these out of the environment again.
	 */
	setenv("DOTNET_GCgen0size", "4000000", 0);
	setenv("DOTNET_GCLOHThreshold", "2000000", 0);
	setenv("DOTNET_GCRegionRange", heap ? heap : "10000000", 0);
	return __managed__Main(argc, argv);
}
