/*
 * annotated.c: which instructions are annotated sites. The file is read once, before the guest runs, and looked up in
 * once for each instruction that touches a device, so a sorted array does.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wedge.h"

#define HEAD	"reheat-annotated 1\n"

struct place {
	uint64_t start, end, site;
};

static struct place *places;
static unsigned int n_places, room;

static int refuse(unsigned int line, const char *what)
{
	fprintf(stderr, "reheat: %s:%u: %s\n", options.annotated, line, what);
	return -1;
}

static int take(const char *text, unsigned int line)
{
	struct place p, *more;
	int used = -1;

	if (sscanf(text, "%" SCNx64 " %" SCNx64 " %" SCNx64 " %n", &p.start, &p.end, &p.site, &used) != 3 || used < 0 ||
	    text[used])
		return refuse(line, "expected START END SITE in hexadecimal");
	if (p.end <= p.start || (n_places && p.start < places[n_places - 1].end))
		return refuse(line, "places must be ascending, disjoint and not empty");
	if (n_places == room) {
		room = room ? 2 * room : 1024;
		more = realloc(places, room * sizeof(*places));
		if (!more)
			return refuse(line, "no memory");
		places = more;
	}
	places[n_places++] = p;
	return 0;
}

int annotated_open(void)
{
	char text[256];
	unsigned int line = 1;
	FILE *file;
	int failed = 0;

	if (!options.annotated)
		return 0;
	file = fopen(options.annotated, "r");
	if (!file)
		return refuse(0, strerror(errno));
	if (!fgets(text, sizeof(text), file) || strcmp(text, HEAD))
		failed = refuse(line, "not a file of annotated places: expected \"reheat-annotated 1\"");
	while (!failed && fgets(text, sizeof(text), file))
		failed = take(text, ++line);
	if (!failed && ferror(file))
		failed = refuse(line, "cannot read");
	fclose(file);
	return failed;
}

unsigned int annotated_count(void)
{
	return n_places;
}

bool annotated_find(uint64_t ip, uint64_t *site)
{
	unsigned int low = 0, high = n_places, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (places[middle].start <= ip)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low || ip >= places[low - 1].end)
		return false;
	*site = places[low - 1].site;
	return true;
}
