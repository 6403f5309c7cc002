using Xunit;

namespace Reheat.Assembler.Tests;

/// <summary>With nothing to do the program is as: the same bytes, messages and exit code, however it is called.</summary>
public sealed class PassThroughTests
{
    private const string Source = "\t.file \"a.c\"\n\t.text\n\t.globl f\n\t.type f,@function\nf:\n\tmovl %esi,(%rdi)\n\tret\n\t.size f,.-f\n";
    private const string Broken = "\t.text\nf:\n\tmovl %esi,(%rdi\n\tfrobnicate %eax\n";
    private const string Elsewhere = "reheat-annotations 1.0\narch x86-64\nnormal 1\npolicy padding=thunk\nunit other.c\nfunction f *\n  0 write:4:lapic\nend 1\n";
    private const string Here = "reheat-annotations 1.0\nby-hand\nunit a.c\nfunction f *\n  0 write:4:lapic\n";

    public static TheoryData<string> Calls =>
    [
        "-o out.o a.s", "-oout.o a.s", "--64 -o out.o a.s", "-o out.o -", "-o out.o", "@words", "a.s -o out.o -W --noexecstack -I . -I.", "--defsym X=1 -o out.o a.s",
        "-o out.o -MD out.d a.s", "--gdwarf-5 -o out.o a.s", "-g --debug-prefix-map a=b a.s -o out.o", "--32 -o out.o b.s", "-o out.o a.s b.s", "-march=generic64 -mtune=generic64 -o out.o a.s",
        "--version", "--no-such-option", "-o /no/such/directory/out.o a.s", "-o out.o missing.s", "-o out.o broken.s", "-o out.o broken.s -", "-a=list -o out.o a.s",
        "--sectname-subst a.s -o out.o", "-o out.o --reduce-memory-overheads a.s", "-march generic64 -mtune generic64 -o out.o a.s", "-Wo out.o a.s", "--defs X=1 -o out.o a.s",
        "-al=list --listing-lhs-width 4 --listing-lhs-width2=4 -o out.o a.s", "-o out.o -- a.s", "-I. -I . -Q x -o out.o a.s", "--size-check warning -o out.o a.s", "-o out.o a.s -march", "a.s -o",
        "@loop", "-o out.o a.s @nothing", "-o out.o -- @loop", "@backslash",
    ];

    [Theory]
    [MemberData(nameof(Calls))]
    public void Is_as(string arguments)
    {
        foreach (string list in (string[])["", Elsewhere])
        {
            // In one directory: debug information names it.
            using var scratch = new Scratch();
            (Outcome expected, byte[]? wanted, string wantedDependencies) = Call(scratch, "as", arguments, list);
            (Outcome outcome, byte[]? made, string dependencies) = Call(scratch, Scratch.Program, arguments, list);
            Assert.Equal(expected.ExitCode, outcome.ExitCode);
            Assert.Equal(expected.Output, outcome.Output);
            Assert.Equal(wanted, made);
            Assert.Equal(wantedDependencies, dependencies);
            if (!outcome.Errors.Contains("several input files", StringComparison.Ordinal))
                Assert.Equal(expected.Errors.Replace("as:", "", StringComparison.Ordinal), outcome.Errors.Replace("/usr/bin/as:", "", StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData("-o out.o a.s")]
    [InlineData("-o out.o")]
    [InlineData("@words")]
    [InlineData("-o out.o -MD out.d a.s")]
    [InlineData("--gdwarf-5 -o out.o a.s")]
    [InlineData("-o out.o --reduce-memory-overheads a.s")]
    [InlineData("--sectname-subst -march generic64 -Wo out.o a.s")]
    [InlineData("--debug-prefix a=b -g -o out.o a.s")]
    public void Annotates_however_it_is_called(string arguments)
    {
        (Outcome outcome, byte[]? made, string dependencies) = Call(Scratch.Program, arguments, Here);
        Assert.Equal("", outcome.Errors);
        Assert.True(made.AsSpan().IndexOf(".debug_afterburn.lapic"u8) >= 0);
        if (arguments.Contains("-MD", StringComparison.Ordinal))
            Assert.Equal(Call("as", arguments, "").Dependencies, dependencies);
    }

    [Theory]
    [InlineData("-o out.o broken.s")]
    [InlineData("-o out.o")]
    public void A_broken_text_fails_as_ever(string arguments)
    {
        string list = "reheat-annotations 1.0\nby-hand\nunit *\nfunction f *\n  0 write:4:lapic\n";
        (Outcome expected, _, _) = Call("as", arguments, "", Broken);
        (Outcome outcome, byte[]? made, _) = Call(Scratch.Program, arguments, list, Broken);
        Assert.NotEqual(0, outcome.ExitCode);
        Assert.Equal(expected.ExitCode, outcome.ExitCode);
        Assert.Equal(expected.Errors, outcome.Errors);
        Assert.Null(made);
    }

    [Fact]
    public void No_assembler_is_said()
    {
        using var scratch = new Scratch();
        Outcome outcome = scratch.Try(Scratch.Program, "-o out.o a.s", "", ("PATH", scratch.ToolDirectory));
        Assert.Equal(127, outcome.ExitCode);
        Assert.Contains("REHEAT_AS", outcome.Errors, StringComparison.Ordinal);
    }

    private static (Outcome Outcome, byte[]? Made, string Dependencies) Call(string program, string arguments, string list, string input = Source)
    {
        using var scratch = new Scratch();
        return Call(scratch, program, arguments, list, input);
    }

    private static (Outcome Outcome, byte[]? Made, string Dependencies) Call(Scratch scratch, string program, string arguments, string list, string input = Source)
    {
        File.Delete(scratch.File("out.o"));
        File.Delete(scratch.File("out.d"));
        scratch.Write("a.s", Source);
        scratch.Write("b.s", "\t.text\ng:\n\tret\n");
        scratch.Write("broken.s", Broken);
        scratch.Write("words", "--64 -o 'out.o'\n \"a.s\"");
        scratch.Write("loop", "@loop");
        scratch.Write("backslash", "a.s -o out.o\\");
        scratch.Write("list", list);
        // as comes second on the path, as in a build.
        string path = $"{scratch.ToolDirectory}:{Environment.GetEnvironmentVariable("PATH")}";
        Outcome outcome = scratch.Try(program, arguments, input, ("REHEAT_ANNOTATIONS", list.Length > 0 ? scratch.File("list") : ""),
            program == "as" ? ("X", "") : ("PATH", path));
        return (outcome, File.Exists(scratch.File("out.o")) ? scratch.Read("out.o") : null, scratch.Text("out.d"));
    }
}
