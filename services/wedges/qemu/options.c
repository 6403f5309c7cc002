/*
 * options.c: the wedge's arguments, as QEMU passes them: one "name=value" each.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wedge.h"

struct options options = { .guest = "guest", .capacity = RH_DEFAULT_CAPACITY, .walk = true,
			   .filter = true };

static int refuse(const char *argument, const char *wanted)
{
	fprintf(stderr, "reheat: option %s: expected %s\n", argument, wanted);
	return -1;
}

static int parse_range(const char *argument, const char *value)
{
	struct range *range = &options.inside[options.ranges];
	char *end;

	if (options.ranges == MAX_RANGES)
		return refuse(argument, "at most 32 ranges");
	range->low = strtoull(value, &end, 0);
	if (end == value || *end != '-')
		return refuse(argument, "inside=0xLOW-0xHIGH");
	value = end + 1;
	range->high = strtoull(value, &end, 0);
	if (end == value || *end || range->high <= range->low)
		return refuse(argument, "inside=0xLOW-0xHIGH with LOW below HIGH");
	range->high--;		/* HIGH is the first byte behind, as in a section's address plus its size */
	options.ranges++;
	return 0;
}

static int parse_switch(const char *argument, const char *value, bool *option)
{
	*option = !strcmp(value, "on");
	return *option || !strcmp(value, "off") ? 0 : refuse(argument, "on or off");
}

static int parse_capacity(const char *argument, const char *value)
{
	char *end;

	options.capacity = strtoull(value, &end, 0);
	if (end == value || *end || options.capacity == 0 || options.capacity > RH_MAX_CAPACITY ||
	    (options.capacity & (options.capacity - 1)) != 0)
		return refuse(argument, "a power of two up to 268435456");
	return 0;
}

static int parse_tables(const char *argument, const char *value)
{
	static const char *const names[] = { [TABLES_OFF] = "off", [TABLES_WRITES] = "writes", [TABLES_ALL] = "all" };
	unsigned int i;

	for (i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (!strcmp(value, names[i])) {
			options.tables = (enum tables)i;
			return 0;
		}
	return refuse(argument, "off, writes or all");
}

static int parse(const char *argument)
{
	const char *value = strchr(argument, '=');
	size_t name;

	if (!value || !value[1])
		return refuse(argument, "name=value");
	name = (size_t)(value++ - argument);
#define IS(text) (name == sizeof(text) - 1 && !memcmp(argument, text, name))
	if (IS("dir"))
		options.dir = strdup(value);
	else if (IS("guest"))
		options.guest = strdup(value);
	else if (IS("annotated"))
		options.annotated = strdup(value);
	else if (IS("inside"))
		return parse_range(argument, value);
	else if (IS("capacity"))
		return parse_capacity(argument, value);
	else if (IS("bits")) {
		options.bits = atoi(value);
		if (options.bits != 16 && options.bits != 32 && options.bits != 64)
			return refuse(argument, "16, 32 or 64");
	} else if (IS("walk"))
		return parse_switch(argument, value, &options.walk);
	else if (IS("filter"))
		return parse_switch(argument, value, &options.filter);
	else if (IS("tables"))
		return parse_tables(argument, value);
	else if (IS("frames"))
		options.frames = strdup(value);
	else
		return refuse(argument, "dir, guest, inside, annotated, tables, capacity, bits, walk, filter or frames");
#undef IS
	return 0;
}

int options_parse(int argc, char **argv)
{
	int i;

	for (i = 0; i < argc; i++)
		if (parse(argv[i]))
			return -1;
	if (!options.dir) {
		fprintf(stderr, "reheat: option dir is missing: pass dir=DIRECTORY for the session\n");
		return -1;
	}
	if (strchr(options.guest, '\n'))
		return refuse(options.guest, "a guest's name without a line break");
	return 0;
}

bool options_inside(uint64_t ip)
{
	int i;

	for (i = 0; i < options.ranges; i++)
		if (ip >= options.inside[i].low && ip <= options.inside[i].high)
			return true;
	return options.ranges == 0;
}
