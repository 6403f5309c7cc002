using System.Security.Cryptography;
using System.Text;
using Reheat.Core.Annotations;
using Reheat.Core.X86;
using Xunit;

namespace Reheat.Core.Tests.Annotations;

public sealed class AnnotationListTests
{
    private const string Golden =
        """
        reheat-annotations 1.0
        arch x86-64
        normal 1
        policy padding=thunk traps=1 wedges=1 observed=1 keep=0 class1=no
        unit arch/x86/kernel/apic/apic.c
        function native_apic_mem_write 3f2a91c0aabbccdd
          sketch 5b1e90aa
          1 write:4:ioapic write:4:lapic | movl %esi,sym(%rdi)
        unit drivers/tty/vt/vt.c
        function do_con_write 00000000000000ff
          12 read:4:vga write:4:vga | rep movsl (%rsi),(%rdi)
          15 sensitive:0:cli | cli
        function do_con_write 0000000000000100
          2 exchange:8:x\x20y | xchgq %rax,(%rdi)
        end 4

        """;

    private static AnnotationList List { get; } = new()
    {
        Units =
        [
            new("drivers/tty/vt/vt.c",
            [
                new("do_con_write", new Fingerprint(0x100), CodeSketch.Empty, [Site(2, "xchgq %rax,(%rdi)", (Operation.DeviceExchange, 8, "x y"))]),
                new("do_con_write", new Fingerprint(0xff), CodeSketch.Empty,
                [
                    Site(15, "cli", (Operation.SensitiveInstruction, 0, "cli")),
                    Site(12, "rep movsl (%rsi),(%rdi)", (Operation.DeviceWrite, 4, "vga"), (Operation.DeviceRead, 4, "vga")),
                ]),
            ]),
            new("arch/x86/kernel/apic/apic.c",
            [
                new("native_apic_mem_write", new Fingerprint(0x3f2a91c0aabbccdd), Sketch("5b1e90aa"),
                    [Site(1, "movl %esi,sym(%rdi)", (Operation.DeviceWrite, 4, "lapic"), (Operation.DeviceWrite, 4, "ioapic"))]),
            ]),
        ],
    };

    private static Annotation Site(int ordinal, string instruction, params (Operation Operation, int Size, string Target)[] accesses) =>
        new(ordinal, [.. accesses.Select(a => new AnnotatedAccess(a.Operation, a.Size, a.Target))], instruction);

    private static CodeSketch Sketch(string text)
    {
        Assert.True(CodeSketch.TryParse(text, out CodeSketch sketch));
        return sketch;
    }

    [Fact]
    public void Written_list_is_canonical_and_reads_back()
    {
        Assert.Equal(Golden, AnnotationListWriter.Write(List));
        AnnotationListResult result = AnnotationListReader.Read(Golden, "list");
        Assert.Empty(result.Diagnostics);
        Assert.True(result.IsWhole);
        Assert.Equal(List.Sorted(), result.List);
        Assert.Equal(List.BodyHash(), result.List.BodyHash());
    }

    [Fact]
    public void A_list_cut_anywhere_is_noticed()
    {
        // Without its last newline it is still whole.
        for (int length = 0; length < Golden.Length - 1; length++)
            Assert.False(AnnotationListReader.Read(Golden[..length], "list").IsWhole, $"cut at {length}");
        Assert.True(AnnotationListReader.Read(Golden[..^1], "list").IsWhole);
    }

    [Fact]
    public void A_list_without_one_of_its_lines_is_noticed()
    {
        string[] lines = Golden.Split('\n');
        for (int i = 0; i < lines.Length - 1; i++)
        {
            // Headers have defaults and a sketch is optional; groups take their sites along or stand for a wrong one.
            if (lines[i].StartsWith("  ", StringComparison.Ordinal) && !lines[i].Contains("sketch", StringComparison.Ordinal))
                Assert.False(AnnotationListReader.Read(string.Join('\n', lines.Where((_, j) => j != i)), "list").IsWhole, lines[i]);
        }
    }

    [Fact]
    public void Lists_by_hand_allow_and_deny()
    {
        AnnotationListResult result = AnnotationListReader.Read(
            """
            reheat-annotations 1.0
            by-hand
            # the watchdog must trap

            unit *
            function touch_nmi_watchdog
              deny *
            unit drivers/net/e1000/e1000_main.c
            function e1000_xmit *
              allow 7 write:4:e1000
              deny 9 | movl %eax,(%rdi)
            """.Replace("\n", "\r\n", StringComparison.Ordinal), "hand");
        Assert.Empty(result.Diagnostics);
        Assert.True(result.List.ByHand);
        Assert.Equal(
        [
            new("*", [new("touch_nmi_watchdog", default, CodeSketch.Empty, [new Annotation(Annotation.EveryOrdinal, [], "", Standing.Deny)])]),
            new("drivers/net/e1000/e1000_main.c", [new("e1000_xmit", default, CodeSketch.Empty,
            [
                new Annotation(7, [new(Operation.DeviceWrite, 4, "e1000")], "", Standing.Allow),
                new Annotation(9, [], "movl %eax,(%rdi)", Standing.Deny),
            ])]),
        ], result.List.Units);
        Assert.Equal(result.List, AnnotationListReader.Read(AnnotationListWriter.Write(result.List), "again").List);
    }

    [Fact]
    public void Slices_change_with_their_unit_and_the_policy_alone()
    {
        string before = List.SliceHash("drivers/tty/vt/vt.c");
        AnnotationList other = List with { Units = [.. List.Units.Where(u => u.Name != "arch/x86/kernel/apic/apic.c")] };
        Assert.Equal(before, other.SliceHash("drivers/tty/vt/vt.c"));
        Assert.NotEqual(List.SliceHash("arch/x86/kernel/apic/apic.c"), other.SliceHash("arch/x86/kernel/apic/apic.c"));
        Assert.Equal(other.SliceHash("nothing.c"), other.SliceHash("arch/x86/kernel/apic/apic.c"));
        Assert.NotEqual(before, (List with { Policy = new AnnotationPolicy { ClassOne = true } }).SliceHash("drivers/tty/vt/vt.c"));
    }

    [Fact]
    public void What_the_reader_would_refuse_is_not_written()
    {
        AnnotationList With(params Annotation[] sites) => new() { Units = [new("u", [new("f", new Fingerprint(1), CodeSketch.Empty, [.. sites])])] };
        Annotation site = Site(1, "", (Operation.DeviceRead, 4, "t"));
        Assert.Throws<InvalidOperationException>(() => AnnotationListWriter.Write(With(site, site)));
        Assert.Throws<InvalidOperationException>(() => AnnotationListWriter.Write(With(site with { Accesses = [] })));
        Assert.Throws<InvalidOperationException>(() => AnnotationListWriter.Write(With(site with { Ordinal = -1 })));
        Assert.Throws<InvalidOperationException>(() => AnnotationListWriter.Write(With(Site(1, "", ((Operation)0, 4, "t")))));
    }

    [Fact]
    public void One_unit_is_read_as_if_it_were_all()
    {
        string text = AnnotationListWriter.Write(List);
        foreach (UnitAnnotations unit in List.Sorted().Units)
        {
            AnnotationListResult read = AnnotationListReader.ReadUnits(Encoding.UTF8.GetBytes(text), "list", name => name == unit.Name);
            Assert.True(read.IsWhole);
            Assert.Equal(unit, Assert.Single(read.List.Units));
            Assert.Equal(List.SliceHash(unit.Name), read.List.SliceHash(unit.Name));
            // The place of a fault behind what was passed over.
            int lines = text.Count(c => c == '\n');
            AnnotationListResult cut = AnnotationListReader.ReadUnits(Encoding.UTF8.GetBytes(text.Replace("end ", "und ", StringComparison.Ordinal)), "list", _ => false);
            Assert.Contains(cut.Diagnostics, d => d.Place == $"list:{lines}");
        }
        Assert.Empty(AnnotationListReader.ReadUnits(Encoding.UTF8.GetBytes(text), "list", _ => false).List.Units);
    }

    [Fact]
    public void Hashes_are_sha256()
    {
        var random = new Random(5);
        for (int length = 0; length < 300; length++)
        {
            byte[] bytes = new byte[length];
            random.NextBytes(bytes);
            Assert.Equal(SHA256.HashData(bytes), Sha256.Hash(bytes));
        }
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(AnnotationListWriter.Write(List)))), List.BodyHash());
    }

    [Theory]
    [InlineData("thunk", "thunk")]
    [InlineData("inline", "inline")]
    [InlineData("afterburn", "inline")]
    [InlineData("selftest", "selftest")]
    public void Paddings_have_words(string word, string written)
    {
        Assert.True(AnnotationPolicy.TryParse($"padding={word}", out AnnotationPolicy policy, out _));
        Assert.StartsWith($"padding={written} ", policy.ToString(), StringComparison.Ordinal);
        Assert.False(AnnotationPolicy.TryParse($"padding={word}s", out _, out string bad));
        Assert.Equal($"padding={word}s", bad);
    }
}
