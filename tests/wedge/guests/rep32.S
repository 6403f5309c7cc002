/*
 * Executions and elements of string instructions, 32-bit.
 *
 * expect write    000b8000 1 28 342
 * expect write    000b8000 2 1 80
 * expect write    000b8000 4 3 111
 * expect read     000b8000 1 4 20
 * expect read     000b8000 4 4 112
 * expect read     fee00000 4 2 8
 * expect write    fee00000 4 1 4
 */
	.include "boot32.inc"
	.set VGA, 0xb8000

	/* stosb: 100 elements by one execution; a count of 0 is none */
	mov $VGA, %edi
	mov $100, %ecx
	rep stosb
	mov $VGA, %edi
	xor %ecx, %ecx
	rep stosb

	/* stosw, stosl; movsl from memory, to memory, within the device; one without rep */
	mov $80, %ecx
	rep stosw
	mov $VGA, %edi
	mov $10, %ecx
	rep stosl
	mov $buffer, %esi
	mov $VGA, %edi
	mov $100, %ecx
	rep movsl
	mov $VGA, %esi
	mov $buffer, %edi
	mov $100, %ecx
	rep movsl
	mov $VGA, %esi
	mov $(VGA + 64), %edi
	movsl				/* read and write */
	mov $VGA, %esi
	mov $10, %ecx
	rep lodsl

	/* the local APIC by string; downwards */
	mov $0xfee00020, %esi
	mov $buffer, %edi
	mov $4, %ecx
	rep movsl
	std
	mov $0xfee0008c, %esi
	mov $(buffer + 64), %edi
	mov $4, %ecx
	rep movsl
	cld
	mov $buffer, %esi
	mov $0xfee00080, %edi
	mov $4, %ecx
	rep movsl

	/* scas and cmps: they end before the count */
	mov $VGA, %edi
	mov $0xaa, %al
	mov $16, %ecx
	rep stosb
	movb $0xbb, VGA + 7		/* write */
	mov $VGA, %edi
	mov $16, %ecx
	repe scasb			/* 8 elements */
	movb $0xbb, buffer + 9
	mov $buffer, %edi
	mov $0xaa, %al
	mov $9, %ecx
	rep stosb
	movb $0xaa, VGA + 7		/* write */
	mov $VGA, %esi
	mov $buffer, %edi
	mov $16, %ecx
	repe cmpsb			/* 10 elements */

	/* one site, ten executions: more than the loop's first round begins at the rep's own block */
	mov $10, %ebx
1:	mov $VGA, %edi
	mov $16, %ecx
	rep stosb
	dec %ebx
	jnz 1b

	/* executions of one site that go on where the last one ended, entered by falling into it */
	mov $VGA, %edi
	mov $5, %ebx
2:	mov $4, %ecx
	rep stosb
	dec %ebx
	jnz 2b

	/* entered by a jump; the instruction behind runs, and is translated, before the rep ever is */
	mov $VGA, %edi
	mov $6, %ebx
	jmp 4f
3:	rep stosb
4:	mov $8, %ecx
	dec %ebx
	jnz 3b				/* 5 executions, contiguous */

	/* entered by a jump, the block behind translated after the rep */
	mov $VGA, %edi
	mov $4, %ebx
	mov $1, %ecx
	jmp 5f
	nop
5:	rep stosb
	mov $1, %ecx			/* single elements: 4 executions */
	dec %ebx
	jnz 5b

	/* reads of one element each, contiguous */
	mov $VGA, %esi
	mov $1, %ecx
	rep lodsb
	mov $1, %ecx
	rep lodsb
	mov $1, %ecx
6:	rep lodsl			/* with ecx = 1 */
	quit
