using System.Globalization;
using System.Text.Json;
using Reheat.Core.Annotations;
using Reheat.Core.Elf;
using Reheat.Core.Records;
using Xunit;

namespace Reheat.Assembler.Tests;

/// <summary>Whole programs through real compilers: annotated at every memory access, they do what they did.</summary>
public sealed class EndToEndTests
{
    public static TheoryData<int, string> Programs
    {
        get
        {
            string[] compilers =
            [
                "gcc -O2", "gcc -O2 -g", "gcc -Os -g", "gcc -O1 -fno-omit-frame-pointer -g", "gcc -O3 -ffunction-sections -gdwarf-4", "gcc -O0",
                "gcc -O2 -fcf-protection -pg -mfentry -g", "gcc -O2 -pipe -g3", "gcc -m32 -O2 -fno-pie", "gcc -m32 -Os -fno-pie -g", "gcc -O2 -masm=intel",
                "clang-14 -fno-integrated-as -O2 -fno-pie", "clang-14 -fno-integrated-as -O2 -g -fno-pie", "clang-14 -fno-integrated-as -Os -fno-pie -gdwarf-5",
                "gcc -O2 -g -fno-asynchronous-unwind-tables", "gcc -O2 -fno-pic -mcmodel=kernel -mno-red-zone -g",
            ];
            int perCompiler = int.TryParse(Environment.GetEnvironmentVariable("REHEAT_SEEDS"), out int seeds) ? seeds : 1;
            var data = new TheoryData<int, string>();
            for (int i = 0; i < compilers.Length; i++)
            {
                data.Add(i, compilers[i]);
                for (int further = 1; further < perCompiler; further++)
                    data.Add((100 * further) + i, compilers[i]);
            }
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Programs))]
    public void Annotated_programs_do_what_they_did(int seed, string compiler)
    {
        using var scratch = new Scratch();
        string program = compiler[..compiler.IndexOf(' ')], flags = compiler[compiler.IndexOf(' ')..] + " -w";
        string mode = flags.Contains("-m32", StringComparison.Ordinal) ? "-m32" : "";
        scratch.Write("x.c", RandomProgram.Write(seed));
        scratch.Copy("counters.c.txt", "counters.c");
        scratch.Run("gcc", $"{mode} -O2 -c counters.c -o counters.o");
        scratch.Run(program, $"{flags} -c x.c -o plain.o");
        AnnotationList list = MemorySites.Of(scratch.File("plain.o"));
        scratch.Write("list", AnnotationListWriter.Write(list));
        // Static: what the loader does is not stepped through.
        string link = mode.Length > 0 ? $"{mode} -no-pie" : "-static";
        scratch.Run("gcc", $"{link} plain.o -o plain");
        string expected = Execute(scratch, "plain", mode);
        Assert.InRange(list.Count, 20, 10_000);

        foreach (string policy in (string[])["thunk", "inline", "selftest"])
        {
            Compile(scratch, program, flags, policy, list.Count);
            scratch.Run("gcc", $"{link} {policy}.o {(policy == "selftest" ? "counters.o" : "")} -o {policy}");
            Assert.Equal(expected, Execute(scratch, policy, mode));
        }
        if (mode.Length == 0 && !flags.Contains("intel", StringComparison.Ordinal))
            CountersAreExecutions(scratch);
    }

    // Functions that run on into what follows them, and places that are named by a symbol and an offset: both end with 0 if nothing was broken.
    [Theory]
    [InlineData("falls-through.s.txt")]
    [InlineData("symbol-and-offset.s.txt")]
    public void Code_that_leans_on_its_layout_does_what_it_did(string source)
    {
        using var scratch = new Scratch();
        scratch.Copy(source, "x.s");
        scratch.Copy("counters.c.txt", "counters.c");
        scratch.Run("gcc", "-O2 -c counters.c -o counters.o");
        scratch.Run("gcc", "-c x.s -o plain.o");
        scratch.Run("gcc", "-static plain.o -o plain");
        scratch.Run("./plain", "");
        scratch.Write("list", AnnotationListWriter.Write(MemorySites.Of(scratch.File("plain.o"))));
        foreach (string policy in (string[])["thunk", "inline", "selftest"])
        {
            scratch.Run("gcc", $"-c x.s -o {policy}.o", ("COMPILER_PATH", scratch.ToolDirectory), ("REHEAT_ANNOTATIONS", scratch.File("list")), ("REHEAT_POLICY", policy));
            scratch.Run("gcc", $"-static {policy}.o {(policy == "selftest" ? "counters.o" : "")} -o {policy}");
            scratch.Run($"./{policy}", "");
        }
    }

    // Two objects have the function, with its site at different places; the linker keeps one copy.
    [Theory]
    [InlineData("a.o b.o", 2)]
    [InlineData("b.o a.o", 7)]
    public void Of_a_function_that_several_objects_have_the_records_are_those_of_the_copy_that_is_kept(string objects, int expected)
    {
        const string Head = "\t.section .text.f,\"axG\",@progbits,f,comdat\n\t.weak f\n\t.type f,@function\nf:\n", Store = "\tmovl %esi,(%rdi)\n", Tail = "\tret\n\t.size f,.-f\n";
        using var scratch = new Scratch();
        scratch.Write("list", "reheat-annotations 1.0\nby-hand\nunit a.c\nfunction f *\n  1 write:4:lapic\nunit b.c\nfunction f *\n  2 write:4:lapic\n");
        scratch.Write("a.s", "\t.file \"a.c\"\n" + Head + "\tmovl %eax,%eax\n" + Store + "\tmovl $1,%eax\n" + Tail);
        scratch.Write("b.s", "\t.file \"b.c\"\n" + Head + "\tmovl $1,%eax\n\tmovl %eax,%eax\n" + Store + Tail);
        foreach (string name in (string[])["a", "b"])
            scratch.Run("gcc", $"-c {name}.s -o {name}.o", ("COMPILER_PATH", scratch.ToolDirectory), ("REHEAT_ANNOTATIONS", scratch.File("list")));
        scratch.Run("gcc", $"-shared -nostdlib {objects} -o all.so");
        using ElfImage elf = ElfImage.Open(scratch.File("all.so"));
        ulong function = elf.Symbols.Single(s => s.Name == "f" && s.Type == ElfSymbolType.Function && s.SectionIndex != 0 && s.Binding == ElfSymbolBinding.Weak).Value;
        AnnotatedSites sites = AnnotatedSites.Read(elf);
        Assert.Equal(function + (ulong)expected, Assert.Single(sites.All).Start.Value);
        Assert.Empty(sites.Diagnostics);
    }

    // Not every 64-bit kernel runs 32-bit programs.
    private static string Execute(Scratch scratch, string program, string mode) =>
        mode.Length > 0 ? scratch.Run("qemu-i386", $"./{program}") : scratch.Run($"./{program}", "");

    private static void Compile(Scratch scratch, string program, string flags, string policy, int sites)
    {
        File.Delete(scratch.File("report"));
        Outcome outcome = scratch.Try(program, $"{flags} -c x.c -o {policy}.o", "", ("COMPILER_PATH", scratch.ToolDirectory), ("REHEAT_ANNOTATIONS", scratch.File("list")),
            ("REHEAT_POLICY", policy), ("REHEAT_REPORT", scratch.File("report")));
        Assert.Equal((0, ""), (outcome.ExitCode, outcome.Errors));
        if (policy == "thunk")
        {
            // What one assembly makes is what two make.
            scratch.Run(program, $"{flags} -c x.c -o twice.o", ("COMPILER_PATH", scratch.ToolDirectory), ("REHEAT_ANNOTATIONS", scratch.File("list")), ("REHEAT_TWICE", "1"));
            Assert.Equal(scratch.Read("twice.o"), scratch.Read("thunk.o"));
        }
        using JsonDocument report = JsonDocument.Parse(scratch.Text("report"));
        string[] left = [.. report.RootElement.GetProperty("sites").EnumerateArray()
            .Where(s => s.GetProperty("state").GetString() != "annotated" || s.GetProperty("match").GetString() != "exact").Select(s => s.ToString())];
        // In Intel syntax nothing moves to a thunk, and it is said.
        if (policy == "selftest" && flags.Contains("intel", StringComparison.Ordinal))
            Assert.All(left, site => Assert.Contains("relocation-in-the-way", site, StringComparison.Ordinal));
        else
        {
            Assert.Empty(left);
            Assert.Equal(sites, report.RootElement.GetProperty("annotated").GetInt32());
        }
    }

    // The counters of the self-test against single steps through the padded program, whose sites are the same in the same order.
    private static void CountersAreExecutions(Scratch scratch)
    {
        scratch.Copy("steps.c.txt", "steps.c");
        scratch.Run("gcc", "-O2 -w steps.c -o steps");
        ulong[] sites = [.. Records(scratch.File("thunk"), ".debug_afterburn.device")], counted = [.. Records(scratch.File("selftest"), ".debug_afterburn_selftest")];
        Assert.Equal(sites.Length, counted.Length);
        Outcome steps = scratch.Try("./steps", scratch.File("thunk"), string.Join('\n', sites.Select(s => s.ToString("x", CultureInfo.InvariantCulture))));
        Dictionary<ulong, long> executions = Counts(steps.Output), counters = Counts(scratch.Text("counters"));
        Assert.True(executions.Values.Sum() > 20);
        Assert.Equal(sites.Select(s => executions[s]), counted.Select(s => counters[s]));
    }

    private static IEnumerable<ulong> Records(string path, string section)
    {
        using ElfImage elf = ElfImage.Open(path);
        byte[] bytes = elf.FindSection(section)!.Bytes.ToArray();
        for (int at = 0; at < bytes.Length; at += 16)
            yield return BitConverter.ToUInt64(bytes, at);
    }

    private static Dictionary<ulong, long> Counts(string text) => text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(' '))
        .ToDictionary(w => ulong.Parse(w[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture), w => long.Parse(w[1], CultureInfo.InvariantCulture));
}
