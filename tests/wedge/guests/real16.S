/*
 * A BIOS of its own: 16-bit code from the reset vector, no other firmware, so that every access of the run is known.
 * What lies in the second half of the image is "outside" in the second run of the test.
 *
 * expect write    000b8000 1 3 66
 * expect write    000b8000 2 2 11
 * expect exchange 000b8000 2 3 3
 * expect read     000b8000 2 2 2
 * expect read     000b8000 1 1 1
 *
 * outside 4
 */
	.code16
	.section .text
image:
	.org 0x0000
begin:
	xor %ax, %ax
	mov %ax, %ss
	mov $0x7000, %sp
	mov $0xb800, %ax
	mov %ax, %es
	mov %ax, %ds
	cld
	xor %di, %di
	mov $64, %cx
	rep stosb			/* 64 elements */
	inc %ax				/* 40: one byte, no REX */
	mov %ax, (%di)			/* write */
	mov (%si), %ax			/* read; si + 0 */
	incw (%di)			/* exchange */
	xchg %ax, 4(%bx,%di)		/* exchange */
	addw $1, 4(%di)			/* exchange */
	mov $10, %cx
	rep stosw			/* 10 elements */
	movb $1, 0x10			/* write, absolute */
	movb $2, %es:(%di)		/* write */
	cmpw $0, (%di)			/* read */
	testb $1, (%di)			/* read, 1 byte */
	ljmp $0xf000, $0x8000		/* the other half */

	.org 0x8000
	mov %ax, (%di)
	xchg %ax, (%di)
	movb (%di), %al
	xor %di, %di
	mov $7, %cx
	rep stosb
	mov $0x10, %al
	out %al, $0xf4
0:	hlt
	jmp 0b

	.org 0xfff0
	ljmp $0xf000, $0
	.org 0xffff
	.byte 0
