/* A driver's accesses, each in a function of its own; linked alone with a build-id. SALT makes images that differ. */
typedef unsigned int u32;
typedef unsigned long u64;

#ifndef SALT
#define SALT 0
#endif

const u32 salt = SALT;

__attribute__((noinline)) u32 read_reg(volatile u32 *reg)
{
	return *reg;
}

__attribute__((noinline)) void write_reg(volatile u32 *reg, u32 value)
{
	*reg = value;
}

__attribute__((noinline)) u32 exchange_reg(u32 *reg, u32 value)
{
	return __atomic_exchange_n(reg, value, __ATOMIC_SEQ_CST);
}

__attribute__((noinline)) void set_bits(u32 *reg, u32 bits)
{
	__asm__ volatile("lock orl %1, %0" : "+m"(*reg) : "r"(bits));
}

__attribute__((noinline)) void fill(void *to, u64 count)
{
	__asm__ volatile("rep stosl" : "+D"(to), "+c"(count) : "a"(SALT) : "memory");
}

/* No symbol covers what stands here: a hole between functions. */
__asm__(".pushsection .hole, \"ax\"\nmovl %eax, (%rdi)\nret\n.popsection");

void entry(void)
{
	volatile u32 reg[4];

	write_reg(reg, read_reg(reg + 1));
	exchange_reg((u32 *)reg, 3);
	set_bits((u32 *)reg, 5);
	fill((void *)reg, 2);
	for (;;)
		;
}
