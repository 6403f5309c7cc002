/*
 * Annotated sites and others. A site is what stands between NAME_start and NAME_end; the access of the site "moved" is done in the thunk
 * between moved_thunk and moved_thunk_end, as the policy selftest does it.
 *
 * Lines "site" name symbol, operation, page, size, traps, hits, elements.
 *
 * site plain_start  write    fee00000 4 0 5 5
 * site other        write    fee00000 4 5 0 5
 * site read_start   read     fed00000 4 0 5 5
 * site swap_start   exchange fed00000 4 0 5 5
 * site fill_start   write    000b8000 4 0 5 20
 * site spill        write    000b8000 4 5 0 20
 * site moved_start  write    fed00000 4 0 5 5
 */
	.include "boot32.inc"

	.macro site name, text:vararg
\name\()_start:
	\text
	.skip -((. - \name\()_start) < 5) * (5 - (. - \name\()_start)), 0x90
\name\()_end:
	.pushsection .afterburn.device
	.balign 4
	.long \name\()_start, \name\()_end
	.popsection
	.endm

	.globl other, spill, moved_thunk, moved_thunk_end
	mov $5, %ebp
again:
	mov $0xfee00000, %esi
	site plain, mov %eax, 0x80(%esi)
other:	mov %eax, 0x80(%esi)
	mov $0xfed00000, %ebx
	site read, mov 0x10(%ebx), %eax
	site swap, xchg %eax, 0x108(%ebx)
	mov $0xb8000, %edi
	mov $4, %ecx
	site fill, rep stosl
	mov $4, %ecx
spill:	rep stosl
	site moved, jmp moved_thunk
	dec %ebp
	jnz again
	cmpl $5, counter
	jne 1f
	quit
1:	hlt				/* the test's time limit says so */
	jmp 1b

moved_thunk:
	pushf
	incl counter
	popf
	mov %eax, 0x108(%ebx)
	jmp moved_end
moved_thunk_end:

	.section .bss
counter:
	.long 0
