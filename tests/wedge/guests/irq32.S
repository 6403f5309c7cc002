/*
 * String instructions that interrupts cut in two: the timer's handler writes by other sites, a hundred times.
 * The main loop runs until then, but at least 40 times.
 *
 * expect write    000b8000 1 100 6400
 * expect write    000b8000 4 100 800
 * expect-main     000b9000 4 1000
 *
 * expect-main: elements for each execution; there are as many executions as reads of fed00000.
 */
	.include "boot32.inc"

	/* the 8259s at 0x20 and 0x28, only the timer's line open; the 8254 at 1.19 MHz / 200 */
	.macro port number, value
	mov $\value, %al
	out %al, $\number
	.endm
	port 0x20, 0x11
	port 0x21, 0x20
	port 0x21, 4
	port 0x21, 1
	port 0x21, 0xfe
	port 0xa1, 0xff
	port 0x43, 0x34
	port 0x40, 200
	port 0x40, 0

	mov $handler, %eax
	mov %ax, idt + 32 * 8
	movw $0x8e00, idt + 32 * 8 + 4
	shr $16, %eax
	mov %ax, idt + 32 * 8 + 6
	lgdt gdt_pointer
	ljmp $8, $1f
1:	mov $16, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	movw $8, idt + 32 * 8 + 2
	lidt idt_pointer
	sti
	xor %ebx, %ebx
2:	mov $0xb9000, %edi
	mov $1000, %ecx
	rep stosl			/* a thousand elements, a few times a tick */
	inc %ebx
	cmp $40, %ebx
	jb 2b
	cmpl $100, ticks
	jb 2b
	cli
	/* how often the main loop ran is told by as many reads of one byte */
	mov $0xfed00000, %esi
3:	mov (%esi), %eax
	dec %ebx
	jnz 3b
	quit

handler:
	pusha
	cmpl $100, ticks
	jae 4f
	incl ticks
	mov $0xb8000, %edi
	mov $64, %ecx
	rep stosb
	mov $8, %ecx
	rep stosl
4:	mov $0x20, %al
	out %al, $0x20
	popa
	iret

	.align 8
gdt:
	.quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
	.word 23
	.long gdt
idt_pointer:
	.word 33 * 8 - 1
	.long idt

	.section .bss
	.align 8
idt:
	.skip 33 * 8
ticks:
	.long 0
