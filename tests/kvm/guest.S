/*
 * What the guest of kvm_guest.c runs, once in real mode and once in flat 32-bit mode: accesses to devices, each a known number of times. Linked as an
 * image of its own at GUEST_BASE, so that traces of it can be imported.
 */
	.equ LOOPS, 5
	.equ DEVICE, 0xd0000000

	.text
	.code16
	.globl real_start
	.type real_start, @function
real_start:
	movw $LOOPS, %cx
real_write:
	movb %al, 0x8000
real_read:
	movw 0x8004, %bx
	loop real_write
	outb %al, $0xf4
	hlt
	.size real_start, . - real_start

	.code32
	.globl flat_start
	.type flat_start, @function
flat_start:
	movl $LOOPS, %ebp
1:
flat_write_moffs:
	movl %eax, DEVICE
flat_write_imm:
	movb $1, DEVICE + 4
flat_read:
	movl DEVICE + 8, %ebx
flat_read_wide:
	movzbl DEVICE + 12, %edx
flat_exchange:
	xchgl %ebx, DEVICE + 16
flat_lock_or:
	lock orl $1, DEVICE + 20
	movl $DEVICE + 0x1000, %edi
	movl $flat_start, %esi
	movl $4, %ecx
flat_string:
	rep movsl
flat_eventfd:
	movw %ax, DEVICE + 0x2000
flat_lapic_write:
	movl %eax, 0xfee00080
flat_lapic_read:
	movl 0xfee00020, %ebx
flat_ioapic_write:
	movl %eax, 0xfec00000
flat_ioapic_read:
	movl 0xfec00010, %ebx
flat_hpet_read:
	movl 0xfed000f0, %ebx
	decl %ebp
	jnz 1b
	outb %al, $0xf4
	hlt
	.size flat_start, . - flat_start
