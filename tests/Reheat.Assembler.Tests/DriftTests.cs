using System.Text.Json;
using Reheat.Core.Annotations;
using Xunit;

namespace Reheat.Assembler.Tests;

/// <summary>A list of yesterday's code over today's: what is found again is the right instruction, and nothing is annotated by guess.</summary>
public sealed class DriftTests
{
    private const string Before = """
        #include <stdint.h>
        struct device { volatile uint32_t a, b, c, d, e, f; };
        uint32_t probe(struct device *d, int n)
        {
            uint32_t sum = 0;
            d->a = 0x11;
            for (int i = 0; i < n; i++) {
                d->b = i;
                sum += d->c;
                if (sum & 0x40)
                    d->d = sum;
            }
            d->e = 0x55;
            return sum ^ d->f;
        }
        """;

    // Lost are those that gcc has no longer (copies of a loop's end that are one again, the line that went) and one with nothing like it around.
    [Theory]
    [InlineData("-O2", "d->a = 0x11;", "d->a = 0x11; if (n > 100) return 7;", 2)]
    [InlineData("-O2", "sum += d->c;", "sum += d->c; sum ^= 0x1234567;", 0)]
    [InlineData("-Os", "d->e = 0x55;", "d->e = 0x55; sum *= 3;", 0)]
    [InlineData("-O2", "d->e = 0x55;", "", 2)]
    [InlineData("-O2", "d->e = 0x55;", "((volatile uint32_t *)d)[40] = 0x55;", 2)]
    [InlineData("-Os", "d->a = 0x11;", "((volatile uint32_t *)(long)n)[9] = 0x11;", 1)]
    [InlineData("-O2", "uint32_t probe", "__attribute__((noinline)) static uint32_t probe", 0)]
    public void Sites_are_found_again(string flags, string old, string now, int lost)
    {
        using var scratch = new Scratch();
        (JsonElement report, string list) = Annotate(scratch, flags, Before, Before.Replace(old, now, StringComparison.Ordinal) + "\nuint32_t (*keep)(struct device *, int) = probe;\n");
        int listed = list.Split(":4:device").Length - 1;
        Assert.InRange(listed, 6, 12);
        JsonElement[] found = [.. report.GetProperty("sites").EnumerateArray().Where(s => s.GetProperty("state").GetString() == "annotated")];
        Assert.Equal(listed - lost, found.Length);
        // The field that an instruction reaches is its identity here: a site of another field would be a wrong guess.
        foreach (JsonElement site in found)
            Assert.Equal(Field(site.GetProperty("instruction").GetString()!), Field(site.TryGetProperty("foundInstruction", out JsonElement text) ? text.GetString()! : site.GetProperty("instruction").GetString()!));
    }

    [Fact]
    public void What_changed_beyond_recognition_is_lost()
    {
        using var scratch = new Scratch();
        string other = "#include <stdint.h>\nvoid probe(char *p, long n) { while (n--) { p[n] = p[n * 2] + 3; p[n + 100] ^= n; if (p[n] == 7) __builtin_trap(); } }\n";
        (JsonElement report, _) = Annotate(scratch, "-O2", Before, other);
        Assert.Equal(0, report.GetProperty("annotated").GetInt32());
        Assert.All(report.GetProperty("sites").EnumerateArray(), s => Assert.Contains(s.GetProperty("refusal").GetString(), (string[])["function-changed", "instruction-differs"]));
    }

    private static string Field(string instruction) => instruction[..instruction.IndexOf('(', StringComparison.Ordinal)].Split(' ', ',')[^1];

    private static (JsonElement Report, string List) Annotate(Scratch scratch, string flags, string before, string now)
    {
        scratch.Write("x.c", before);
        scratch.Run("gcc", $"{flags} -c x.c -o before.o");
        string list = AnnotationListWriter.Write(MemorySites.Of(scratch.File("before.o")) is var all
            ? all with { Units = [.. all.Units.Select(u => u with { Name = "x.c" })] } : all);
        scratch.Write("list", list);
        scratch.Write("x.c", now);
        scratch.Run("gcc", $"{flags} -c x.c -o now.o", ("COMPILER_PATH", scratch.ToolDirectory), ("REHEAT_ANNOTATIONS", scratch.File("list")), ("REHEAT_REPORT", scratch.File("report")));
        return (JsonDocument.Parse(scratch.Text("report")).RootElement, list);
    }
}
