/*
 * Two levels with entries of 4 bytes, then three with entries of 8, whose roots are 32 bytes of a page that has other things too.
 *
 * table pt-write    800000 4 pte 2 2
 * table pt-exchange 800000 4 pte 1 1
 * table pt-write    801000 4 pgd 3 3
 * table pt-read     801000 4 pgd 1 1
 * table pt-write    802000 4 pte 3 3
 * table pt-exchange 802000 8 pte 1 1
 * table pt-write    803000 4 pmd 2 2
 * table pt-write    804000 4 pgd 5 5
 */
	.include "boot32.inc"
	.set PT, 0x800000
	.set PGD, 0x801000
	.set PT3, 0x802000
	.set PMD, 0x803000
	.set ROOT, 0x804040		/* the third piece of its page */
	.set OTHER, 0x804080

	.macro load root
	mov $\root, %eax
	mov %eax, %cr3
	.endm

	mov $PT, %edi
	xor %eax, %eax
	mov $(5 * 4096 / 4), %ecx
	rep stosl

	movl $0x900003, PT
	movl $0x83, PGD				/* 4 MiB pages: the image, and what the tables are in */
	movl $0x800083, PGD + 8
	movl $(PT + 3), PGD + 16
	load PGD
	mov %cr4, %eax
	or $0x10, %eax				/* PSE */
	mov %eax, %cr4
	mov %cr0, %eax
	or $0x80000000, %eax
	mov %eax, %cr0
	jmp 1f
1:	movl $0x901003, PT			/* 2 pte */
	movl $0x902003, PT + 4
	lock orl $0x60, PT + 4			/* an exchange */
	mov PGD, %ebx				/* pgd: read */
	movl $0, PGD + 16
	movl $0x903003, PT
	movl $(PT + 3), PGD + 1023 * 4		/* 3, with the one above and the one below */
	movl $0, PGD + 1023 * 4
	movl $0x904003, PT

	/* paging off; what two levels left counts no more once there are three */
	mov %cr0, %eax
	and $0x7fffffff, %eax
	mov %eax, %cr0
	mov %cr4, %eax
	or $0x20, %eax				/* PAE */
	mov %eax, %cr4
	movl $0x83, PMD				/* 2 MiB pages */
	movl $0x200083, PMD + 8
	movl $0x800083, PMD + 32
	movl $(PMD + 1), ROOT
	movl $(PMD + 1), OTHER + 16
	movl $(PMD + 1), OTHER
	load ROOT
	mov %cr0, %eax
	or $0x80000000, %eax
	mov %eax, %cr0
	jmp 1f
1:	movl $0x900003, PT
	movl $0, PGD
	movl $(PT3 + 3), PMD + 64		/* pmd 1 */
	movl $0x900003, PT3			/* pte 2: the halves of an entry */
	movl $0, PT3 + 4
	xor %eax, %eax
	xor %edx, %edx
	lock cmpxchg8b PT3 + 8			/* an exchange */
	movl $0, 0x804020			/* not the root's piece, nor this */
	movl $0, 0x804060
	movl $(PMD + 1), ROOT + 16		/* pgd 1: what both share */
	movl $0, ROOT + 8			/* pgd 1 */
	movl $0, OTHER + 8			/* no root yet */
	load OTHER
	movl $0, OTHER + 8			/* pgd 1 */
	movl $0, ROOT + 8			/* pgd 1: it may come back */
	movl $0, ROOT				/* pgd 1 */
	movl $0x901003, PT3			/* pte 1 */
	movl $0, PMD + 64			/* pmd 1 */
	movl $0x902003, PT3
	quit
