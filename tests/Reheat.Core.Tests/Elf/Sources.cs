namespace Reheat.Core.Tests.Elf;

/// <summary>Source texts that exercise what kernels do: statics, aliases, weak symbols, assembly labels, sections of their own.</summary>
internal static class Sources
{
    public const string C = """
        #include "inc/shared.h"

        extern int external_data;
        int external(int);
        int counter = 5;
        static int hidden;
        static __thread int per_thread;

        static __attribute__((noinline)) int helper(int x)
        {
            per_thread += x;
            return x * 3 + hidden++;
        }

        int __attribute__((noinline)) work(int x)
        {
            if (x > 3)
                return helper(x) + external(x) + shared_inline(x);
            return external_data + counter;
        }

        extern __typeof(work) __x64_work __attribute__((alias("work")));
        extern __typeof(work) weak_work __attribute__((weak, alias("work")));

        __attribute__((section(".init.text"))) int start_up(int x)
        {
            return work(x) + 1;
        }

        __attribute__((cold, noinline)) void rare(void)
        {
            counter = 0;
        }
        """;

    public const string Other = """
        int external_data = 7;
        static __attribute__((noinline)) int helper(int x)
        {
            return x ^ 0x55;
        }
        int external(int x)
        {
            return helper(x) - 1;
        }
        int main(void)
        {
            extern int start_up(int);
            return start_up(9);
        }
        """;

    public const string Header = """
        static inline __attribute__((always_inline)) int shared_inline(int x)
        {
            int sum = 0;
            for (int i = 0; i < x; i++)
                sum += i * x;
            return sum;
        }
        """;

    public const string Assembly = """
        .text
        .globl asm_entry
        asm_entry:
            nop
            nop
        inner_label:
            xor %eax, %eax
            ret
        .type sized_asm, @function
        .globl sized_asm
        sized_asm:
            nop
        inside_sized:
            ret
        .size sized_asm, . - sized_asm
            .fill 7, 1, 0xcc
        after_gap:
            ret
        .section .note.GNU-stack,"",@progbits
        """;

    /// <summary>Writes all of them.</summary>
    public static void WriteAll(Toolchain tools)
    {
        tools.Write("src/main.c", C);
        tools.Write("src/other.c", Other);
        tools.Write("src/inc/shared.h", Header);
        tools.Write("src/entry.S", Assembly);
    }
}
