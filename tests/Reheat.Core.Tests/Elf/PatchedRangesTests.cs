using Reheat.Core.Elf;
using Xunit;

namespace Reheat.Core.Tests.Elf;

public sealed class PatchedRangesTests(ElfObjects objects)
{
    // Linux's own shapes (6.1), each table with one or two places in known code.
    private const string Source = """
        #ifdef __x86_64__
        #define WORD .quad
        #else
        #define WORD .long
        #endif
        .text
        .globl code
        .type code, @function
        code:
        m1: .byte 0xe8, 0, 0, 0, 0
        j1: .byte 0xeb, 0
        j2: .byte 0x0f, 0x1f, 0x44, 0, 0
        s1: .byte 0xe8, 0, 0, 0, 0
        s2: .byte 0x0f, 0x84, 0, 0, 0, 0
        a1: nop; nop; nop
        l1: lock incl (%eax)
        r1: .byte 0x2e, 0xe8, 0, 0, 0, 0
        t1: .byte 0xe9, 0, 0, 0, 0
        e1: .byte 0xf3, 0x0f, 0x1e, 0xfa
        x1: movl (%eax), %eax
        x2: ret
        p1: .byte 0xe8, 0, 0, 0, 0, 0x66, 0x90
        .size code, . - code
        .section .noinstr.text, "ax"
        .globl __noinstr_text_start, __noinstr_text_end
        __noinstr_text_start:
        .fill 300, 1, 0x90
        __noinstr_text_end:
        .section .altinstr_replacement, "ax"
        alt: .byte 0x90, 0x90
        .macro table name, first, end
        .section \name, "a"
        .globl \first, \end
        \first:
        .endm
        table __jump_table, __start___jump_table, __stop___jump_table
        .long j1 - ., x2 - .
        WORD key - .
        .long j2 - ., x2 - .
        WORD key - .
        __stop___jump_table:
        table .static_call_sites, __start_static_call_sites, __stop_static_call_sites
        .long s1 - ., key - ., s2 - ., key - .
        __stop_static_call_sites:
        table __mcount_loc, __start_mcount_loc, __stop_mcount_loc
        WORD m1, 0
        __stop_mcount_loc:
        table .altinstructions, __alt_instructions, __alt_instructions_end
        .long a1 - ., alt - .
        ALT
        .long m1 - ., alt - .
        ALT2
        __alt_instructions_end:
        table .smp_locks, __smp_locks, __smp_locks_end
        .long l1 - ., 0, 0
        __smp_locks_end:
        table .parainstructions, __parainstructions, __parainstructions_end
        WORD p1
        .byte 3, 7
        .balign __SIZEOF_POINTER__
        __parainstructions_end:
        table .retpoline_sites, __retpoline_sites, __retpoline_sites_end
        .long r1 - .
        __retpoline_sites_end:
        table .return_sites, __return_sites, __return_sites_end
        .long t1 - .
        __return_sites_end:
        table .ibt_endbr_seal, __ibt_endbr_seal, __ibt_endbr_seal_end
        .long e1 - .
        __ibt_endbr_seal_end:
        table __ex_table, __start___ex_table, __stop___ex_table
        .long x1 - ., x2 - ., 3
        __stop___ex_table:
        .data
        key: .quad 0
        .section .note.GNU-stack,"",@progbits
        """;

    // 6.1, before 5.10, since 6.3.
    private static readonly Dictionary<int, string> Alternatives = new()
    {
        [12] = ".word 1; .byte 3, 2",
        [13] = ".word 1; .byte 3, 2, 1",
        [14] = ".long 1; .byte 3, 2",
    };

    public static TheoryData<string, int, string> Shapes
    {
        get
        {
            var data = new TheoryData<string, int, string>();
            foreach (string bits in new[] { "-m64", "-m32" })
            {
                foreach (int stride in Alternatives.Keys)
                {
                    foreach (string form in new[] { "object", "linked", "merged", "module" })
                        data.Add(bits, stride, form);
                }
            }
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Every_table_is_understood(string bits, int stride, string form)
    {
        string name = $"patched{bits}-{stride}-{form}";
        string alternative = Alternatives[stride];
        objects.Tools.Write(name + ".S", Source.Replace("ALT2", alternative.Replace("3, 2", "5, 0", StringComparison.Ordinal), StringComparison.Ordinal)
            .Replace("ALT\n", alternative + "\n", StringComparison.Ordinal));
        objects.Tools.Gcc(name + ".o", bits, "-c", name + ".S");
        string path = form == "object" ? name + ".o" : name;
        string format = bits == "-m64" ? "elf_x86_64" : "elf_i386";
        if (form == "linked")
            objects.Tools.Run("ld", "-m", format, "-e", "code", "-o", name, name + ".o");
        else if (form == "module")
            objects.Tools.Run("ld", "-m", format, "-r", "-o", name, name + ".o");
        else if (form == "merged")
        {
            // As in a vmlinux: the tables are only to be found between their symbols.
            objects.Tools.Write("merged.lds", """
                SECTIONS {
                  . = 0x1000000;
                  .text : { *(.text) *(.noinstr.text) }
                  .repl : { *(.altinstr_replacement) }
                  .rodata : { *(__jump_table) *(.static_call_sites) *(__mcount_loc) *(.altinstructions) *(.smp_locks) *(.parainstructions)
                    *(.retpoline_sites) *(.return_sites) *(.ibt_endbr_seal) *(__ex_table) }
                  .data : { *(.data) }
                }
                """);
            objects.Tools.Run("ld", "-m", format, "-e", "code", "-T", "merged.lds", "-o", name, name + ".o");
        }

        using ElfImage image = objects.Open(path);
        PatchedRanges ranges = PatchedRanges.Read(image);
        Assert.Empty(image.Diagnostics);
        ulong code = Assert.Single(image.Functions.FindByName("code")).Start.Value;
        string[] expected =
        [
            "0+5 Mcount", "0+5 Alternative", "5+2 JumpLabel", "7+5 JumpLabel", "12+5 StaticCall", "17+6 StaticCall", "23+3 Alternative",
        ];
        int after = image.Is64 ? 30 : 29;
        string[] rest =
        [
            "26+1 SmpLock", $"{after}+6 Retpoline", $"{after + 6}+5 Return", $"{after + 11}+4 Endbr",
            $"{after + 15}+1 ExceptionSite", $"{after + (image.Is64 ? 18 : 17)}+1 ExceptionFixup", $"{after + (image.Is64 ? 19 : 18)}+7 Paravirt",
        ];
        Assert.Equal(
            [.. expected, .. rest],
            ranges.All.Where(r => r.Start.Value - code < 100 && r.Kind != PatchKinds.Noinstr).Select(r => $"{r.Start.Value - code}+{r.Length} {r.Kind}"));
        PatchedRange replacement = Assert.Single(ranges.All, r => r.Kind == PatchKinds.AlternativeReplacement);
        Assert.Equal(2u, replacement.Length);
        PatchedRange noinstr = Assert.Single(ranges.All, r => r.Kind == PatchKinds.Noinstr);
        Assert.Equal(300u, noinstr.Length);
        Assert.Equal(PatchKinds.Noinstr, ranges.KindsAt(noinstr.Start + 299));
        Assert.Equal(PatchKinds.None, ranges.KindsAt(noinstr.End) & PatchKinds.Noinstr);

        for (ulong offset = 0; offset < 120; offset++)
        {
            ImageAddress at = new(code + offset);
            PatchedRange[] there = [.. ranges.All.Where(r => r.Start.Value < at.Value + 3 && r.End.Value > at.Value)];
            Assert.Equal(there, ranges.Overlapping(at, 3));
            Assert.Equal(there.Aggregate(PatchKinds.None, (all, r) => all | r.Kind), ranges.KindsAt(at, 3));
        }
        Assert.True(PatchedRanges.TryFromBytes(ranges.ToBytes(), out PatchedRanges? read));
        Assert.Equal(ranges.All, read.All);
    }

    [Fact]
    public void Stored_ranges_of_random_bytes_are_refused_or_read_without_harm()
    {
        var random = new Random(3);
        for (int i = 0; i < 2000; i++)
        {
            byte[] bytes = new byte[random.Next(0, 40)];
            random.NextBytes(bytes);
            if (bytes.Length > 1)
                (bytes[0], bytes[1]) = (1, (byte)random.Next(0, 14));
            if (PatchedRanges.TryFromBytes(bytes, out PatchedRanges? ranges))
                Assert.True(ranges.All.Count <= bytes[1]);
        }
    }
}
