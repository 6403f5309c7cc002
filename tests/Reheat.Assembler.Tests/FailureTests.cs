using Xunit;

namespace Reheat.Assembler.Tests;

/// <summary>What goes wrong around the program: the build ends as it would have without it, with a word about why.</summary>
public sealed class FailureTests
{
    private const string Source = "\t.file \"a.c\"\n\t.text\n\t.type f,@function\nf:\n\tmovl %esi,(%rdi)\n\tret\n\t.size f,.-f\n";
    private const string List = "reheat-annotations 1.0\nby-hand\nunit a.c\nfunction f *\n  0 write:4:lapic\n";

    [Fact]
    public void A_list_that_is_not_there()
    {
        using Scratch scratch = Made();
        Outcome outcome = scratch.Try(Scratch.Program, "-o out.o a.s", "", ("REHEAT_ANNOTATIONS", scratch.File("nowhere")));
        Assert.Equal(0, outcome.ExitCode);
        Assert.Contains("nowhere", outcome.Errors, StringComparison.Ordinal);
        Plain(scratch);
    }

    [Theory]
    [InlineData("/dev/full")]
    [InlineData("/no/such/directory/report")]
    public void A_report_that_cannot_be_written(string report)
    {
        using Scratch scratch = Made();
        Outcome outcome = scratch.Try(Scratch.Program, "-o out.o a.s", "", ("REHEAT_ANNOTATIONS", scratch.File("list")), ("REHEAT_REPORT", report));
        Assert.Equal(0, outcome.ExitCode);
        Assert.Contains(report, outcome.Errors, StringComparison.Ordinal);
        Assert.True(scratch.Read("out.o").AsSpan().IndexOf(".debug_afterburn.lapic"u8) >= 0);
    }

    [Fact]
    public void A_full_disk()
    {
        using Scratch scratch = Made();
        // A disk of one page, in a mount namespace of its own, with something on it.
        string full = "-rm bash -c \"mkdir -p disk; mount -t tmpfs -o size=4k none disk && head -c 4096 /dev/zero >disk/else; exec {0} -o disk/out.o a.s\"";
        scratch.Write("counted", $"#!/bin/sh\necho >>{scratch.File("runs")}\nexec as \"$@\"\n");
        File.SetUnixFileMode(scratch.File("counted"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Outcome expected = scratch.Try("unshare", full.Replace("{0}", "as", StringComparison.Ordinal), "");
        Outcome outcome = scratch.Try("unshare", full.Replace("{0}", Scratch.Program, StringComparison.Ordinal), "", ("REHEAT_ANNOTATIONS", scratch.File("list")),
            ("REHEAT_AS", scratch.File("counted")));
        Assert.Contains("No space left", expected.Errors, StringComparison.Ordinal);
        Assert.Equal((expected.ExitCode, expected.Errors), (outcome.ExitCode, outcome.Errors));
        Assert.InRange(scratch.Text("runs").Length, 1, 5);
    }

    [Theory]
    [InlineData("printf '%4000s\\n' '{}' >disk/report; {0} -o 1.o a.s; mount -o remount,size=64k disk; {0} -o 2.o a.s", 2, "disk/report: the ")] // 96 bytes of the line fit
    [InlineData("printf '{\"path\":\"1.o\",' >disk/report; {0} -o 2.o a.s", 2, "")] // a writer was killed
    public void A_report_line_that_is_cut_off_takes_no_other_with_it(string steps, int expected, string said)
    {
        using Scratch scratch = Made();
        scratch.Write("steps", $"mkdir disk; mount -t tmpfs -o size=4k none disk; {steps.Replace("{0}", Scratch.Program, StringComparison.Ordinal)}; cat disk/report");
        Outcome outcome = scratch.Try("unshare", "-rm bash steps", "", ("REHEAT_ANNOTATIONS", scratch.File("list")), ("REHEAT_REPORT", scratch.File("disk/report")));
        string[] lines = outcome.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(expected, lines.Length);
        Assert.Contains(said, outcome.Errors, StringComparison.Ordinal);
        Assert.Equal("2.o", System.Text.Json.JsonDocument.Parse(lines[^1]).RootElement.GetProperty("output").GetString());
    }

    // A heap of 16 GiB does not fit: a smaller one, or none at all.
    [Theory]
    [InlineData("-v 4000000", true, "")]
    [InlineData("-v 600000", false, "too little address space")]
    [InlineData("-f 40", false, "")] // 40 KiB: for files in memory, too
    public void A_limit_of_the_shell(string limit, bool annotates, string said)
    {
        using Scratch scratch = Made();
        scratch.Write("a.s", Source + string.Concat(Enumerable.Repeat("# a comment\n", limit.StartsWith("-f", StringComparison.Ordinal) ? 5000 : 1)));
        Outcome outcome = scratch.Try("bash", $"-c \"ulimit {limit}; exec {Scratch.Program} -o out.o a.s\"", "", ("REHEAT_ANNOTATIONS", scratch.File("list")));
        Assert.Equal(0, outcome.ExitCode);
        Assert.Contains(said, outcome.Errors, StringComparison.Ordinal);
        Assert.Equal(annotates, scratch.Read("out.o").AsSpan().IndexOf(".debug_afterburn.lapic"u8) >= 0);
        if (!annotates)
            Plain(scratch);
    }

    [Fact]
    public void A_named_pipe_is_left_to_the_assembler()
    {
        using Scratch scratch = Made();
        Outcome outcome = scratch.Try("bash", $"-c \"{Scratch.Program} -o out.o <(cat a.s)\"", "", ("REHEAT_ANNOTATIONS", scratch.File("list")));
        Assert.Equal(0, outcome.ExitCode);
        Assert.Contains("can be read only once", outcome.Errors, StringComparison.Ordinal);
        Plain(scratch);
    }

    [Fact]
    public void An_assembler_that_fails_with_annotations_alone()
    {
        using Scratch scratch = Made();
        scratch.Write("picky", "#!/bin/sh\ncat >text; grep -q debug_afterburn text && exit 3; exec as \"$@\" <text\n");
        scratch.Write("picky-file", "#!/bin/sh\nfor last; do :; done; case $last in -) exec ./picky \"$@\";; *) exec as \"$@\";; esac\n");
        foreach (string name in (string[])["picky", "picky-file"])
            File.SetUnixFileMode(scratch.File(name), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Outcome outcome = scratch.Try(Scratch.Program, "-o out.o a.s", "", ("REHEAT_ANNOTATIONS", scratch.File("list")), ("REHEAT_REPORT", scratch.File("report")),
            ("REHEAT_AS", scratch.File("picky-file")));
        Assert.Equal((0, ""), (outcome.ExitCode, outcome.Errors));
        Assert.Contains("fixed-layout", scratch.Text("report"), StringComparison.Ordinal);
        Plain(scratch);
    }

    [Fact]
    public void Reports_of_a_parallel_build_are_whole_lines()
    {
        using Scratch scratch = Made();
        string sites = string.Concat(Enumerable.Range(0, 200).Select(i => $"  {i} write:4:lapic\n"));
        scratch.Write("list", "reheat-annotations 1.0\nby-hand\nunit a.c\nfunction f *\n" + sites);
        scratch.Write("a.s", Source.Replace("\tret\n", string.Concat(Enumerable.Repeat("\tmovl %esi,(%rdi)\n", 200)) + "\tret\n", StringComparison.Ordinal));
        scratch.Run("bash", $"-c \"for i in 1 2 3 4 5 6 7 8 9 10 11 12; do {Scratch.Program} -o out$i.o a.s & done; wait\"",
            ("REHEAT_ANNOTATIONS", scratch.File("list")), ("REHEAT_REPORT", scratch.File("report")));
        string[] lines = scratch.Text("report").Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(12, lines.Length);
        Assert.All(lines, line => Assert.Equal(200, System.Text.Json.JsonDocument.Parse(line).RootElement.GetProperty("annotated").GetInt32()));
    }

    private static Scratch Made()
    {
        var scratch = new Scratch();
        scratch.Write("a.s", Source);
        scratch.Write("list", List);
        return scratch;
    }

    private static void Plain(Scratch scratch)
    {
        scratch.Run("as", "-o plain.o a.s");
        Assert.Equal(scratch.Read("plain.o"), scratch.Read("out.o"));
    }
}
