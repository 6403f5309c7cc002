namespace Reheat.Core.Dwarf;

public sealed partial class DwarfInfo
{
    // 24 bytes a row: about 100 MB of decoded tables are kept, then all are dropped.
    private const int MostRows = 4 << 20;

    private readonly Dictionary<ulong, LineTable?> _tables = [];
    private int _rows;

    /// <summary>
    /// The line table of a unit, decoded on first use and kept for a while; null if it has none or a malformed one.
    /// </summary>
    public LineTable? Lines(DwarfUnit unit)
    {
        if (unit.LineOffset is not { } offset)
            return null;
        lock (_tables)
        {
            if (_tables.TryGetValue(offset, out LineTable? table))
                return table;
            table = ReadLines(unit, offset);
            if (_rows > MostRows)
            {
                _tables.Clear();
                _rows = 0;
            }
            _rows += table?.RowCount ?? 0;
            _tables.Add(offset, table);
            return table;
        }
    }

    /// <summary>The source line of an address, null where there is none.</summary>
    public SourceLine? FindLine(ImageAddress address) =>
        FindUnit(address) is { } unit && Lines(unit) is { } table && table.Find(address) is { } row
            ? new SourceLine(table.FileName(row.File), row.Line)
            : null;

    private LineTable? ReadLines(DwarfUnit unit, ulong offset)
    {
        string place = $".debug_line at 0x{offset:x}";
        LineHeader? header = LineHeader.Read(
            _sections, offset, unit.Context, unit.CompilationDirectory, out (DiagnosticId Id, string Text) problem);
        if (header is null)
        {
            _sections.Image.Bag.Add(problem.Id, place, problem.Text);
            return null;
        }
        LineRow[] rows = LineProgram.Run(header, _sections.Lines, out bool complete);
        if (!complete)
            _sections.Image.Bag.Add(DiagnosticId.DwarfTruncated, place, "line program ends within an instruction or a sequence");
        return new LineTable(header, rows, _sections.Image);
    }
}
