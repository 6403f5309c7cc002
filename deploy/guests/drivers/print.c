/* print.c: text and numbers. */
#include "guest.h"

void print(const char *text)
{
	while (*text)
		platform_put(*text++);
}

void print_line(const char *name, uint64_t value)
{
	char digits[21];
	unsigned int at = sizeof(digits) - 1;

	digits[at] = 0;
	do
		digits[--at] = (char)('0' + value % 10);
	while (value /= 10);
	print(name);
	platform_put(' ');
	print(&digits[at]);
	platform_put('\n');
}
