/*
 * Five levels. The guest's own tables hang below a fifth.
 *
 * table pt-write    800000 8 pgd 1 1
 * table pt-write    801000 8 p4d 2 2
 * table pt-write    802000 8 pud 1 1
 * table pt-write    803000 8 pmd 1 1
 * table pt-write    804000 8 pte 1 1
 */
	.include "boot64.inc"
	.set PGD, 0x800000
	.set P4D, 0x801000
	.set PUD, 0x802000
	.set PMD, 0x803000
	.set PTE, 0x804000

	mov $PGD, %edi
	xor %eax, %eax
	mov $(5 * 4096 / 8), %ecx
	rep stosq
	movq $0x900003, PTE
	movq $(PTE + 3), PMD
	movq $(PMD + 3), PUD
	movq $(P4D + 3), PGD
	movl $(tables + 4096 + 3), P4D
	movq $(PUD + 3), P4D + 16

	/* the number of levels changes where paging is off: in 32-bit code */
	mov $gdt32_pointer, %eax
	lgdt (%rax)
	mov $back32, %eax
	push $24
	push %rax
	lretq
	.code32
back32:
	mov %cr0, %eax
	and $0x7fffffff, %eax
	mov %eax, %cr0
	mov %cr4, %eax
	or $0x1000, %eax			/* LA57 */
	mov %eax, %cr4
	mov $PGD, %eax
	mov %eax, %cr3
	mov %cr0, %eax
	or $0x80000000, %eax
	mov %eax, %cr0
	ljmp $8, $again64
	.align 8
gdt32:
	.quad 0, 0x00af9a000000ffff, 0x00cf92000000ffff, 0x00cf9a000000ffff
gdt32_pointer:
	.word 31
	.long gdt32, 0
	.code64
again64:
	movq $0x901003, PTE
	movq $0, PMD + 8
	movq $0, PUD + 8
	movq $0, P4D + 8
	movq $0, PGD + 8
	movq $0, P4D + 16
	movq $0, PUD + 8
	movq $0, PTE
	quit
