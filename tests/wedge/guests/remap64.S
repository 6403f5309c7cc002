/*
 * A virtual page that is RAM, then a device, then RAM again: nothing that the wedge remembers of it may outlive the
 * instruction that invalidates it. Each round reads the page 5 times as RAM and 3 times as the HPET.
 *
 * expect read     fed00000 4 12 12
 * expect write    fed00000 4 4 4
 */
	.include "boot64.inc"
	.set PAGE, 0x40100000		/* in the 2 MiB that the first entry of the second directory maps */
	.set ENTRY, tables + 3 * 4096
	.set RAM, 0x600083
	.set DEVICE, 0xfec00083		/* HPET 1 MiB behind it */

	.macro touch times
	.rept \times
	mov (%rbx), %eax
	.endr
	.endm
	.macro by_page
	invlpg (%rbx)
	.endm
	.macro by_cr3
	mov %cr3, %rax
	mov %rax, %cr3
	.endm
	.macro by_cr4
	mov %cr4, %rax
	xor $0x80, %rax			/* PGE */
	mov %rax, %cr4
	.endm
	.macro by_paging
	mov %cr0, %rax
	xor $0x10000, %rax		/* WP: QEMU flushes as the processor may */
	mov %rax, %cr0
	.endm
	.macro round invalidate
	movl $RAM, (%r8)
	\invalidate
	touch 5
	movl $DEVICE, (%r8)
	\invalidate
	touch 3
	mov %eax, 0x108(%rbx)
	.endm

	mov $PAGE, %ebx
	mov $ENTRY, %r8d
	round by_page
	round by_cr3
	round by_cr4
	round by_paging
	quit
