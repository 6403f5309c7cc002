/* pc.S: from multiboot's flat 32-bit mode into 64-bit mode, four GiB mapped to themselves; and the interrupts' stubs. */
	.section .head, "ax"
	.code32
	.align 4
	.long 0x1badb002, 3, -(0x1badb002 + 3)
	.globl start
start:
	cld
	mov $stack_top, %esp
	mov $tables, %edi
	xor %eax, %eax
	mov $(6 * 4096 / 4), %ecx
	rep stosl
	movl $(tables + 4096 + 3), tables
	movl $(tables + 2 * 4096 + 3), tables + 4096
	movl $(tables + 3 * 4096 + 3), tables + 4096 + 8
	movl $(tables + 4 * 4096 + 3), tables + 4096 + 16
	movl $(tables + 5 * 4096 + 3), tables + 4096 + 24
	mov $(tables + 2 * 4096), %edi
	mov $0x83, %eax
1:	mov %eax, (%edi)
	add $8, %edi
	add $0x200000, %eax
	cmp $(tables + 6 * 4096), %edi
	jne 1b
	mov $tables, %eax
	mov %eax, %cr3
	mov %cr4, %eax
	or $0x20, %eax			/* PAE */
	mov %eax, %cr4
	mov $0xc0000080, %ecx
	rdmsr
	or $0x100, %eax			/* long mode */
	wrmsr
	mov %cr0, %eax
	or $0x80000001, %eax
	mov %eax, %cr0
	lgdt gdt_pointer
	ljmp $8, $start64

	.align 8
gdt:
	.quad 0, 0x00af9a000000ffff, 0x00cf92000000ffff
gdt_pointer:
	.word 23
	.long gdt

	.code64
start64:
	mov $16, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %ebp, %ebp
	call guest_main

	.text
	.align 16
	.globl vectors
vectors:
	.set vector, 0
	.rept 256
	.align 16
	push $vector
	jmp enter
	.set vector, vector + 1
	.endr

enter:
	push %rax
	push %rcx
	push %rdx
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	mov 72(%rsp), %rdi
	cmp $32, %rdi
	jb failed
	cld
	call interrupt
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rdx
	pop %rcx
	pop %rax
	add $8, %rsp
	iretq
failed:
	mov $2, %edi
	call platform_end

	.bss
	.align 4096
tables:
	.skip 6 * 4096
	.skip 65536
stack_top:
