using Reheat.Cli.Terminal;
using Spectre.Console;
using Xunit;
using Table = Reheat.Cli.Terminal.Table;

namespace Reheat.Loop.Tests.Cli;

/// <summary>Tables at the widths of terminals: what must be read whole is whole, and no line wraps.</summary>
public sealed class TableTests
{
    private static readonly string[] Numbers = ["12,345,678", "0", "ioapic", "exchange 8", "refused: not-an-instruction"];

    [Theory]
    [InlineData(80)]
    [InlineData(100)]
    [InlineData(120)]
    [InlineData(200)]
    public void Numbers_targets_operations_and_states_stay_whole_and_lines_fit(int width)
    {
        string[] lines = Draw(width);

        Assert.Equal(4, lines.Length);
        Assert.All(lines, line => Assert.InRange(line.Length, 1, width));
        Assert.All(lines, line => Assert.Equal(line.TrimEnd(), line));
        Assert.All(Numbers, cell => Assert.Contains(cell, lines[2], StringComparison.Ordinal));
        Assert.Equal(width >= 200, lines[0].Contains("source", StringComparison.Ordinal));
        Assert.Equal(width >= 200, lines[2].Contains("a_function_with_a_long_name.constprop.0+0x1a2b", StringComparison.Ordinal));
        Assert.Equal(width < 200, lines[2].Contains('…', StringComparison.Ordinal));
    }

    [Fact]
    public void Where_nothing_helps_any_more_numbers_are_whole_all_the_same() =>
        Assert.All(Numbers, cell => Assert.Contains(cell, Draw(40)[2], StringComparison.Ordinal));

    [Fact]
    public void A_table_without_rows_is_nothing() => Assert.Equal("", Write(100, Screen.Table(("traps", true))));

    private static string[] Draw(int width)
    {
        Table table = Screen.Table(
            ("traps", true), ("hits", true), ("target", false), ("operation", false), ("function", false), ("instruction", false), ("source", false), ("state", false))
            .Flexible("source", "instruction", "function");
        table.AddRow(Numbers[0], Numbers[1], Numbers[2], Numbers[3], "a_function_with_a_long_name.constprop.0+0x1a2b", "movl %eax,sym(%rbx,%rcx,8)",
            Format.Cell("drivers/net/ethernet/[intel]/e1000/e1000_main.c:4711"), Numbers[4]);
        table.AddRow("1", "2", "pte", "read 4", "f+0x1", "nop", "", "");
        return Write(width, table).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private static string Write(int width, Table table)
    {
        using var text = new StringWriter { NewLine = "\n" };
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(text), Ansi = AnsiSupport.No });
        console.Profile.Width = width;
        console.Write(table);
        return text.ToString();
    }
}
