global using Table = Reheat.Cli.Terminal.Table;

using Spectre.Console;
using Spectre.Console.Rendering;

namespace Reheat.Cli.Terminal;

/// <summary>
/// A table whose lines never wrap: what has to be read whole stays whole, and where the terminal is narrow, the columns that may be are shortened or
/// left out. Nothing is drawn if it has no row: the command says so in a sentence.
/// </summary>
internal sealed class Table : IRenderable
{
    private const int Gap = 2;
    private const int Readable = 20;
    private const int Least = 8;

    private readonly record struct Column(string Title, bool Right);

    private readonly Column[] _columns;
    private readonly List<string[]> _rows = [];
    private string[] _flexible = [];

    public Table(IEnumerable<(string Title, bool Right)> columns) => _columns = [.. columns.Select(c => new Column(c.Title, c.Right))];

    /// <summary>Columns that may be shortened, the one first that is left out first; the last one always stays.</summary>
    public Table Flexible(params string[] titles)
    {
        _flexible = titles;
        return this;
    }

    /// <summary>Adds a row; cells are escaped markup, of which <c>[bold]</c> is known.</summary>
    public void AddRow(params string[] cells) => _rows.Add(cells);

    public Measurement Measure(RenderOptions options, int maxWidth) => new(1, maxWidth);

    public IEnumerable<Segment> Render(RenderOptions options, int maxWidth)
    {
        if (_rows.Count == 0)
            yield break;
        int[] widths = Widths(maxWidth);
        int[] shown = [.. Enumerable.Range(0, _columns.Length).Where(c => widths[c] > 0)];
        yield return new Segment(Line(shown, widths, c => _columns[c].Title));
        yield return Segment.LineBreak;
        yield return new Segment(new string('─', shown.Sum(c => widths[c]) + (Gap * (shown.Length - 1))));
        yield return Segment.LineBreak;
        foreach (string[] row in _rows)
        {
            bool bold = row.Any(cell => cell.StartsWith("[bold]", StringComparison.Ordinal));
            yield return new Segment(Line(shown, widths, c => row[c].RemoveMarkup()), bold ? new Style(decoration: Decoration.Bold) : Style.Plain);
            yield return Segment.LineBreak;
        }
    }

    private string Line(int[] shown, int[] widths, Func<int, string> text)
    {
        IEnumerable<string> cells = shown.Select(c =>
        {
            string cell = Format.Fit(text(c), widths[c]);
            return _columns[c].Right ? cell.PadLeft(widths[c]) : cell.PadRight(widths[c]);
        });
        return string.Join(new string(' ', Gap), cells).TrimEnd();
    }

    /// <summary>Width of each column; 0 for one that is left out.</summary>
    private int[] Widths(int available)
    {
        int[] widths = [.. _columns.Select((column, c) => _rows.Max(row => row[c].RemoveMarkup().Length) is var longest && longest > column.Title.Length ? longest : column.Title.Length)];
        List<int> flexible = [.. _flexible.Select(title => Array.FindIndex(_columns, c => c.Title == title)).Where(c => c >= 0)];
        while (flexible.Count > 0 && Excess() is > 0)
        {
            int room = flexible.Sum(c => widths[c]) - Excess();
            if (flexible.Count > 1 && flexible.Sum(c => Math.Min(widths[c], Readable)) > room)
            {
                widths[flexible[0]] = 0;
                flexible.RemoveAt(0);
                continue;
            }
            // The longest give way first.
            int longest = flexible.Max(c => widths[c]);
            while (longest > Least && flexible.Sum(c => Math.Min(widths[c], longest)) > room)
                longest--;
            foreach (int c in flexible)
                widths[c] = Math.Min(widths[c], longest);
            break;
        }
        return widths;

        int Excess() => widths.Sum() + (Gap * (widths.Count(w => w > 0) - 1)) - available;
    }
}
