/*
 * Every form of access, 64-bit, from code at its low and at its high address.
 *
 * expect read     fed00000 8 4 4
 * expect write    fed00000 8 2 2
 * expect exchange fed00000 8 6 6
 * expect read     fed00000 4 2 2
 * expect exchange fed00000 4 4 4
 * expect read     fee00000 4 4 4
 * expect write    fee00000 4 2 2
 * expect exchange fee00000 4 2 2
 * expect read     000b8000 1 4 4
 * expect read     000b8000 8 4 6
 * expect write    000b8000 8 4 6
 * expect write    000b8000 4 4 4
 * expect exchange 000b8000 8 2 2
 */
	.include "boot64.inc"

	call forms
	lea forms(%rip), %rax
	movabs $0xffffffff80000000, %rcx
	add %rcx, %rax
	call *%rax
	quit

forms:
	mov $0xfed00000, %ebx
	mov 0x10(%rbx), %rax
	mov %rax, 0x108(%rbx)
	lea 0x10(%rbx), %r8
	cmp (%r8), %rax			/* read */
	mov (%rbx), %eax
	xchg %rax, 0x108(%rbx)
	lock orq $0, 0x108(%rbx)
	lock btsq $2, 0x108(%rbx)
	lock xadd %ecx, 0x108(%rbx)
	negl 0x108(%rbx)

	mov $0xfee00000, %r12d
	mov 0x20(%r12), %eax		/* r12 needs a SIB byte as rsp does: no stack */
	mov %eax, 0x80(%r12)
	xchg %eax, 0x80(%r12)
	movslq 0x80(%r12), %rax		/* 63: not ARPL */

	mov $0xb8000, %edi
	movabs 0xb8001, %al
	movzbl 1(%rdi), %eax
	movdqu (%rdi), %xmm0		/* one trap, two accesses of 8 */
	movdqu %xmm0, 16(%rdi)
	movq (%rdi), %xmm1
	movq %xmm1, 8(%rdi)
	movntil %eax, 8(%rdi)
	movss %xmm1, 12(%rdi)
	lock cmpxchg8b 16(%rdi)
	ret
