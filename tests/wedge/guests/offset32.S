/*
 * A device of which the memory map shows the middle: edu's registers (1 MiB) with e1000's (128 KiB) laid over them, as
 * programmed here. Behind the hole QEMU's plugin API reports the offset within edu twice.
 *
 * expect read     e0000000 4 1 1
 * expect read     e0040000 4 1 1
 * expect read     e0080000 4 2 2
 * expect write    e0080000 4 1 1
 * expect exchange e00ff000 4 1 1
 *
 * reported read     e0000000 4 1 1
 * reported read     e0040000 4 1 1
 * reported read     e00e0000 4 2 2
 * reported write    e00e0000 4 1 1
 * reported exchange e015f000 4 1 1
 */
	.include "boot32.inc"

	.macro configure register, value
	mov $\register, %eax
	mov $0xcf8, %dx
	out %eax, %dx
	mov $\value, %eax
	mov $0xcfc, %dx
	out %eax, %dx
	.endm
	configure 0x80002810, 0xe0000000	/* slot 5, BAR 0 */
	configure 0x80003010, 0xe0040000	/* slot 6, BAR 0 */

	mov 0xe0000000, %eax
	mov 0xe0040008, %eax
	mov 0xe0080000, %eax
	mov 0xe0080010, %eax
	mov %eax, 0xe0080004
	xchg %eax, 0xe00ff004
	quit
