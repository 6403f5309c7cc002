/*
 * map.c: the machine's memory map as it is when the emulator ends. The agent reads it over QMP while the guest runs, but a guest that
 * ends the emulator itself (isa-debug-exit) leaves no moment for that, and whoever reads a session later has no QMP to ask.
 * Run by the thread that ends the process, whichever it is: it holds a reference to the view, so no lock is needed.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "wedge.h"

typedef __int128 int128;

struct view;
struct region;

/* QEMUs before 6.0 do not pass the offset, but the argument behind it in its place; neither is looked at. */
typedef bool (*range_fn)(int128 start, int128 length, const struct region *region, uint64_t offset, void *argument);

static const char *(*name_of)(const struct region *region);
static FILE *out;

static bool print_range(int128 start, int128 length, const struct region *region, uint64_t offset, void *argument)
{
	const char *name = name_of(region);

	(void)offset;
	(void)argument;
	fprintf(out, "  %016llx-%016llx (prio 0, %s): %s\n", (unsigned long long)start, (unsigned long long)(start + length - 1),
		physical_is_io((uint64_t)start) ? "i/o" : "ram", name ? name : "");
	return false;
}

void map_write(void)
{
	void *space = dlsym(RTLD_DEFAULT, "address_space_memory");
	struct view *(*get)(void *space) = (struct view *(*)(void *))dlsym(RTLD_DEFAULT, "address_space_get_flatview");
	void (*put)(struct view *view) = (void (*)(struct view *))dlsym(RTLD_DEFAULT, "flatview_unref");
	void (*each)(struct view *view, range_fn range, void *argument) =
		(void (*)(struct view *, range_fn, void *))dlsym(RTLD_DEFAULT, "flatview_for_each_range");
	struct view *view;
	char *text = NULL;
	size_t length;

	name_of = (const char *(*)(const struct region *))dlsym(RTLD_DEFAULT, "memory_region_name");
	if (!options.walk || !space || !get || !put || !each || !name_of || !(out = open_memstream(&text, &length)))
		return;
	fprintf(out, "FlatView\n AS \"memory\"\n");
	view = get(space);
	each(view, print_range, NULL);
	put(view);
	if (!fclose(out))
		session_memory_map(text);
	free(text);
}
