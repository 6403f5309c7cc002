/*
 * rmw-filter.c: reads lines "BITS HEXBYTES", writes "1" or "0" a line: rh_is_rmw, for tests that compare it with
 * another decoder.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "insn.h"

int main(void)
{
	char line[256], hex[64];
	unsigned int byte;
	uint8_t bytes[15];
	size_t n;
	int bits;

	while (fgets(line, sizeof(line), stdin)) {
		if (sscanf(line, "%d %63s", &bits, hex) != 2) {
			fprintf(stderr, "rmw-filter: expected BITS HEXBYTES, got %s", line);
			return 2;
		}
		for (n = 0; n < sizeof(bytes) && sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
			bytes[n] = (uint8_t)byte;
		printf("%d\n", rh_is_rmw(bytes, n, bits));
	}
	return 0;
}
