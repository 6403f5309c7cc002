/* One access, then ACPI's power-off, where QEMU's "pc" machine has it. */
	.include "boot32.inc"
	mov 0xfee00020, %eax
	mov $0x604, %dx
	mov $0x2000, %ax
	out %ax, %dx
	hlt
