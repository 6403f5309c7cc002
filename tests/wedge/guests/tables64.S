/*
 * Four levels of page tables that are built, loaded, changed, shared, left and taken apart. Only what is done to a frame while
 * it is a table counts; "table" lines are all of it: operation, page, size, target, traps, elements. (The tables that the guest
 * starts with are in its image, at other pages; it reads and writes none of them once they are in use.)
 *
 * table pt-write    800000 8 pte 10 10
 * table pt-write    800000 4 pte 1 1
 * table pt-exchange 800000 8 pte 4 4
 * table pt-exchange 800000 1 pte 1 1
 * table pt-read     800000 8 pte 5 6
 * table pt-write    801000 8 pmd 4 4
 * table pt-read     801000 8 pmd 1 1
 * table pt-write    802000 8 pud 2 2
 * table pt-write    803000 8 pgd 4 4
 * table pt-read     803000 8 pgd 1 1
 * table pt-write    804000 8 pmd 2 2
 * table pt-write    804000 8 pud 1 1
 * table pt-write    900000 8 pte 1 1
 * table pt-write    805000 8 pte 2 2
 * table pt-write    805000 8 pmd 1 1
 */
	.include "boot64.inc"
	.set PT, 0x800000
	.set PD, 0x801000
	.set PUD, 0x802000
	.set PGD, 0x803000
	.set PD2, 0x804000
	.set PT2, 0x805000
	.set ALIAS, 0xc00000		/* a second address of the 2 MiB that hold the tables */

	.macro load root
	mov $\root, %eax
	mov %rax, %cr3
	.endm
	/* three stores, at the end of which the last stands */
	.macro fill table
	movq $0x900003, \table + 8
	movq $0x901003, \table + 16
	movq $0x902003, \table + 24
	.endm

	mov $PT, %edi
	xor %eax, %eax
	mov $(6 * 4096 / 8), %ecx
	rep stosq
	mov $PT, %ebx
	mov $ALIAS, %ebp

	/* none is a table yet */
	fill PT
	movl $0x83, PD			/* the image, 2 MiB pages */
	movl $0x200083, PD + 8
	movl $(PT + 3), PD + 5 * 8
	movl $0x800083, PD + 4 * 8
	movl $0x800083, PD + 6 * 8
	movl $(PD + 3), PUD
	movl $(PUD + 3), PGD
	movl $(tables + 4096 + 3), PGD + 511 * 8	/* what a kernel's address spaces share */
	fill PT

	load PGD
	fill PT					/* 3 pte */
	mov %rax, 32(%rbp)			/* 1, by its other address */
	movl $1, 36(%rbx)			/* half an entry */
	movq $0, 32(%rbx)			/* 1 */
	xchg %rax, 40(%rbx)			/* an exchange */
	lock btrq $5, 40(%rbx)
	orq $0, 40(%rbx)
	mov 40(%rbx), %rax
	lock cmpxchg %rax, 40(%rbx)
	lock andb $0xfd, 40(%rbx)
	mov 8(%rbx), %rax			/* reads: 2, and 1 of two elements, and by the alias */
	test %rax, 8(%rbx)
	mov $PT, %esi
	mov $0x850000, %edi
	mov $2, %ecx
	rep movsq
	mov 8(%rbp), %rax

	/* a level up; and none while it leads nowhere */
	mov PD + 40, %rax
	movq $0, PD + 40
	fill PT
	mov %rax, PD + 40
	fill PT					/* 3 */
	movq $0x900083, PD + 40			/* a large page instead */
	fill PT
	mov %rax, PD + 40

	/* a branch that was filled before it became one */
	movq $0x900003, PT2
	movq $(PT2 + 3), PD2
	movq $(PD2 + 3), PUD + 8
	movq $0x901003, PT2			/* 1 pte */
	movq $(PT2 + 3), PD2 + 8		/* 1 pmd: leads there twice */
	movq $0, PD2				/* 1 pmd, and PT2 still is one */
	movq $0x900003, PT2			/* 1 pte */
	movq $0, PUD + 8
	movq $0, PT2
	movq $0, PD2

	/* the same frames a level higher: PD2 a pud, PT2 a pmd, and what it maps a pte */
	movq $(PD2 + 3), PGD + 8
	movq $(PT2 + 3), PD2			/* 1 pud */
	movq $0x900003, PT2			/* 1 pmd */
	movq $0, 0x900000			/* 1 pte */
	movq $0, PGD + 8
	movq $0, 0x900000

	/* left, but it shares a table with the next: it may come back */
	load tables
	mov %rbp, 48(%rbx)			/* 1 */
	mov PGD, %rax
	movq $0, PGD				/* the user's part is empty: it will not */
	mov %rax, PGD
	fill PT

	/* and it does come back; then another that shares nothing follows */
	load PGD
	mov %rbp, 48(%rbx)			/* 1 */
	movq $0, PGD + 511 * 8
	load tables
	fill PT
	mov %rax, PGD
	quit
