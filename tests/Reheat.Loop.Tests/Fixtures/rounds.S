/*
 * A kernel of one page in three builds of one source: VERSION makes builds that differ in nothing else. SITES 0 plain, 1 padded with records, 2 moved into thunks (policy selftest), as a
 * second pass emits them. DRIFT changes a function as a new version of its source would. OMIT leaves one site as it was.
 */
	.macro record target, start, end
	.pushsection .afterburn\target, "", @progbits
	.balign 8
	.quad \start, \end
	.popsection
	.endm

	.macro site name, target, text:vararg
#if SITES == 0
\name:
	\text
#elif SITES == 1
\name:
	\text
	.fill -((. - \name) < 5) * (5 - (. - \name)), 1, 0x90
\name\()_end:
	record \target, \name, \name\()_end
#else
\name:
	.byte 0xe9
	.long \name\()_thunk - . - 4
\name\()_end:
	record \target, \name, \name\()_end
#endif
	.endm

	.macro thunk name, text:vararg
#if SITES == 2
\name\()_thunk:
	pushf
	incl counter(%rip)
	popf
\name\()_access:
	\text
	jmp \name\()_end
#endif
	.endm

	.macro begin name
	.globl \name
	.type \name, @function
\name:
	.endm
	.macro finish name
	.size \name, . - \name
	.endm

	.text
	begin poll
1:	test %ecx, %ecx
	je 2f
#ifdef DRIFT
	add %ecx, %edx
	nop
	imul %edx, %edx
#endif
	site poll_read, .lapic, mov 0x20(%rdi), %eax
	dec %ecx
	site poll_write, .lapic, movl $0x12345678, 0x1234(%rdi)
	jmp 1b
2:	ret
	thunk poll_read, mov 0x20(%rdi), %eax
	thunk poll_write, movl $0x12345678, 0x1234(%rdi)
	finish poll

	begin swap
	site swap_site, .ioapic, xchg %eax, (%rdi)
	add $1, %eax
	ret
	thunk swap_site, xchg %eax, (%rdi)
	finish swap

	begin rare
#ifdef OMIT
rare_site:
	mov %eax, 8(%rdi)
#else
	site rare_site, .hpet, mov %eax, 8(%rdi)
#endif
	ret
#ifndef OMIT
	thunk rare_site, mov %eax, 8(%rdi)
#endif
	finish rare

	begin _start
	call poll
	call swap
	call rare
	hlt
	finish _start
	.data
counter: .long 0, VERSION
	.section .note.GNU-stack, "", @progbits
