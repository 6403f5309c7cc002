/*
 * Every form of access, 32-bit. Lines "expect" name operation, page, size, traps, elements.
 *
 * expect read     fed00000 4 6 6
 * expect write    fed00000 4 4 4
 * expect exchange fed00000 4 12 12
 * expect read     fee00000 4 3 3
 * expect write    fee00000 4 2 2
 * expect exchange fee00000 4 1 1
 * expect read     fec00000 4 1 1
 * expect write    fec00000 4 1 1
 * expect read     000b8000 1 6 6
 * expect write    000b8000 1 3 3
 * expect exchange 000b8000 1 5 5
 * expect read     000b8000 2 3 3
 * expect write    000b8000 2 3 3
 * expect exchange 000b8000 2 1 1
 * expect read     000b8000 4 1 1
 */
	.include "boot32.inc"

	/* HPET: the counter's configuration and a comparator */
	mov $0xfed00000, %ebx
	mov (%ebx), %eax		/* read */
	mov 0x10(%ebx), %ecx		/* read */
	test %eax, 0x10(%ebx)		/* read */
	cmp %eax, 0x10(%ebx)		/* read */
	cmpl $1, 0x10(%ebx)		/* read */
	add 0x10(%ebx), %edx		/* read */
	mov %ecx, 0x108(%ebx)		/* write */
	movl $0, 0x108(%ebx)		/* write */
	mov %eax, 0xfed00108		/* write, absolute */
	xor %ecx, %ecx
	mov %ecx, 0x108(%ebx,%ecx,4)	/* write */
	xchg %eax, 0x108(%ebx)		/* 12 exchanges */
	lock orl $0, 0x108(%ebx)
	orl $0, 0x108(%ebx)
	add %eax, 0x108(%ebx)
	incl 0x108(%ebx)
	notl 0x108(%ebx)
	shll $1, 0x108(%ebx)
	btsl $3, 0x108(%ebx)
	lock btrl $3, 0x108(%ebx)
	lock xadd %eax, 0x108(%ebx)
	lock cmpxchg %ecx, 0x108(%ebx)
	shldl $1, %eax, 0x108(%ebx)

	/* local APIC */
	mov $0xfee00000, %esi
	mov 0x20(%esi), %eax
	mov 0x30(%esi), %eax
	push 0x80(%esi)			/* read; the store goes to the stack */
	pop 0x80(%esi)			/* write; the load comes from the stack */
	movl $0, 0x80(%esi)
	xchg %eax, 0x80(%esi)

	/* I/O APIC */
	movl $1, 0xfec00000
	mov 0xfec00010, %eax

	/* VGA text, all sizes; inc and dec of registers, 40..4f, around them */
	mov $0xb8000, %edi
	inc %eax
	mov (%edi), %al
	dec %eax
	mov %al, 1(%edi)
	movzbl 2(%edi), %eax
	movsbl 3(%edi), %eax
	cmpb $0, (%edi)
	setne 4(%edi)
	movb $7, 5(%edi)
	mov $0xb8000, %ebx
	mov $3, %al
	xlat				/* read */
	testb $1, (%edi)
	xchg %al, (%edi)
	lock incb 6(%edi)
	negb 6(%edi)
	xorb $0x20, 6(%edi)
	sarb $1, 6(%edi)
	mov (%edi), %ax
	mov %ax, 8(%edi)
	movw $0x720, 10(%edi)
	movzwl (%edi), %eax
	mov %ds, 12(%edi)
	xor %eax, %eax
	bt %ax, (%edi)			/* read */
	xorw $0x100, 8(%edi)
	bt %eax, (%edi)			/* read */

	quit
