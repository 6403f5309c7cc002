/* Writes to the local APIC without end. */
	.include "boot32.inc"
1:	movl $0, 0xfee00080
	jmp 1b
