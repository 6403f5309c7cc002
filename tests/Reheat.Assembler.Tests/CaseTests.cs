using System.Text.Json;
using Xunit;

namespace Reheat.Assembler.Tests;

/// <summary>
/// The text tables of cases/: list and assembly in, annotated assembly and report out; each is assembled for real on the way. The text is that of two
/// assemblies; where one does, object and report are the same.
/// REHEAT_UPDATE=DIR writes what came out into the cases of that directory.
/// </summary>
public sealed class CaseTests
{
    private const string Header = "reheat-annotations 1.0\nby-hand\n";

    public static TheoryData<string> Names =>
        [.. Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "cases"), "*.txt").Select(p => Path.GetFileNameWithoutExtension(p)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Case(string name)
    {
        string path = Path.Combine(AppContext.BaseDirectory, "cases", name + ".txt");
        CaseFile file = CaseFile.Read(path);
        using var scratch = new Scratch();
        string list = file["list"];
        scratch.Write("list", list.StartsWith("reheat", StringComparison.Ordinal) ? list : Header + list);
        scratch.Write("in.s", file["in"]);
        string arguments = string.Join(' ', file.Options("as "));
        string output = file.Options("output ").FirstOrDefault("out.o");
        Directory.CreateDirectory(Path.GetDirectoryName(scratch.File(output))!);
        foreach (string made in file.Options("make "))
        {
            Directory.CreateDirectory(Path.GetDirectoryName(scratch.File(made))!);
            scratch.Write(made, "");
        }
        // Stands for as and keeps what it is given: the last text for the real output is the annotated one.
        scratch.Write("keep", $"#!/bin/sh\nfor o; do :; done\ncase \"$*\" in *\"-o {output}\"*) cat >kept; exec as \"$@\" <kept;; *) exec as \"$@\";; esac\n");
        File.SetUnixFileMode(scratch.File("keep"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        (string, string)[] environment = [("REHEAT_ANNOTATIONS", scratch.File("list")), ("REHEAT_REPORT", scratch.File("report")), ("REHEAT_AS", scratch.File("keep")),
            .. file.Options("env ").Select(e => (e.Split('=')[0], e.Split('=')[1]))];
        Outcome outcome = scratch.Try(Scratch.Program, $"{arguments} -o {output} in.s", "", [.. environment, ("REHEAT_TWICE", "1")]);
        Outcome plain = scratch.Try("as", $"{arguments} -o plain.o in.s", "");
        Assert.Equal(plain.ExitCode, outcome.ExitCode);

        string text = Changed(file["in"], scratch.Text("kept"));
        string report = Summary(scratch.Text("report"), outcome.Errors.Replace(scratch.Root, "", StringComparison.Ordinal));
        if (Environment.GetEnvironmentVariable("REHEAT_UPDATE") is { Length: > 0 } directory)
            file.Write(Path.Combine(directory, name + ".txt"), text, report);
        else
        {
            Assert.Equal(file["out"], text);
            Assert.Equal(file["report"], report);
        }
        if (text.Length == 0 && plain.ExitCode == 0)
            Assert.Equal(scratch.Read("plain.o"), scratch.Read(output));
        string twice = Content(scratch, output);
        File.Delete(scratch.File("report"));
        Outcome once = scratch.Try(Scratch.Program, $"{arguments} -o {output} in.s", "", environment);
        Assert.Equal((outcome.ExitCode, outcome.Errors), (once.ExitCode, once.Errors));
        Assert.Equal(report, Summary(scratch.Text("report"), once.Errors.Replace(scratch.Root, "", StringComparison.Ordinal)));
        Assert.Equal(twice, Content(scratch, output));
    }

    private static string Content(Scratch scratch, string output) => File.Exists(scratch.File(output)) ? Convert.ToHexString(scratch.Read(output)) : "";

    // Lines of the annotated text that are not in the source, which has as many before the records.
    private static string Changed(string source, string annotated)
    {
        if (annotated.Length == 0)
            return "";
        string[] before = source.Split('\n'), after = annotated.Split('\n');
        int first = after[0].StartsWith("# 1 \"in.s\"", StringComparison.Ordinal) ? 1 : 0;
        IEnumerable<string> changed = after.Skip(first).Where((line, i) => i >= before.Length || line != before[i]);
        string result = string.Join('\n', changed).Trim('\n');
        return result.Length == 0 ? "" : result + "\n";
    }

    private static string Summary(string report, string errors)
    {
        var lines = new List<string>();
        foreach (string line in report.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using JsonDocument document = JsonDocument.Parse(line);
            JsonElement root = document.RootElement;
            lines.Add($"{root.GetProperty("unit").GetString()}: annotated {root.GetProperty("annotated")}, refused {root.GetProperty("refused")}, " +
                $"lost {root.GetProperty("lost")}, class1 {root.GetProperty("class1")}");
            foreach (JsonElement site in root.GetProperty("sites").EnumerateArray())
            {
                lines.Add(string.Join(' ', ((string[])["function", "ordinal", "state", "match", "confidence", "foundFunction", "foundOrdinal", "refusal", "detail", "flags", "instruction"])
                    .Where(key => site.TryGetProperty(key, out _)).Select(key => site.GetProperty(key).ToString())));
            }
        }
        lines.AddRange(errors.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(e => e.StartsWith("reheat-as:", StringComparison.Ordinal)));
        return string.Concat(lines.Select(l => l + "\n"));
    }
}
