/*
 * The first processor takes a device out of the memory map and puts it back, as a kernel does that sizes its BARs; the others never stop
 * touching their APICs. For four processors and a VGA at 0:2.0.
 */
	.include "boot32.inc"
	.set ROUNDS, 5000
	.set TRAMPOLINE, 0x8000
	.set COMMAND, 0x80001004	/* of 0:2.0, for the address port of the configuration space */

	.macro wait rounds
	mov $\rounds, %ecx
	loop .
	.endm
	.macro decode what
	mov $COMMAND, %eax
	mov $0xcf8, %edx
	out %eax, %dx
	mov $0xcfc, %edx
	mov $\what, %eax
	out %ax, %dx
	.endm

	mov $trampoline, %esi
	mov $TRAMPOLINE, %edi
	mov $(trampoline_end - trampoline), %ecx
	rep movsb
	movl $0x1ff, 0xfee000f0
	movl $0xc4500, 0xfee00300	/* INIT to all others */
	wait 1000000
	movl $(0xc4600 + (TRAMPOLINE >> 12)), 0xfee00300	/* start-up, twice */
	wait 1000000
	movl $(0xc4600 + (TRAMPOLINE >> 12)), 0xfee00300
	wait 100000
	mov $ROUNDS, %ebp
1:	decode 0
	decode 3
	dec %ebp
	jnz 1b
	quit

other:
	mov $16, %ax
	mov %ax, %ds
1:	mov 0xfee00020, %eax
	movl $0, 0xfee00080
	jmp 1b

	.code16
trampoline:
	cli
	lgdtl %cs:(gdtr - trampoline)
	mov $1, %eax
	mov %eax, %cr0
	ljmpl $8, $other
gdtr:	.word gdt_end - gdt - 1
	.long TRAMPOLINE + gdt - trampoline
gdt:	.quad 0, 0xcf9a000000ffff, 0xcf92000000ffff
gdt_end:
trampoline_end:
