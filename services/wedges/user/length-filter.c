/* length-filter.c: answers insn_length and insn_is_nop for lines of hexadecimal bytes: "LENGTH" or "LENGTH nop"; for tests. */
#include <stdio.h>

#include "decode.h"

int main(void)
{
	uint8_t bytes[64];
	unsigned int value;
	char line[256];
	size_t n, length;
	int used;

	while (fgets(line, sizeof(line), stdin)) {
		const char *p = line;

		for (n = 0; n < sizeof(bytes) && sscanf(p, "%2x%n", &value, &used) == 1; p += used)
			bytes[n++] = (uint8_t)value;
		length = insn_length(bytes, n);
		printf("%zu%s\n", length, length && insn_is_nop(bytes, length) ? " nop" : "");
	}
	return 0;
}
