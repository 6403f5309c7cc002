using Reheat.Core.Elf;

namespace Reheat.Core.Dwarf;

/// <summary>The decoded line program of a unit.</summary>
public sealed class LineTable
{
    private readonly LineHeader _header;
    private readonly LineRow[] _rows;
    private readonly List<(int First, int End)> _sequences = [];
    private readonly IntervalMap _map;
    private readonly string?[] _names;

    internal LineTable(LineHeader header, LineRow[] rows, ElfImage image)
    {
        _header = header;
        _rows = rows;
        _names = new string?[header.FileCount];
        var intervals = new List<Interval>();
        int first = 0;
        for (int i = 0; i < rows.Length; i++)
        {
            if (!rows[i].IsEnd)
                continue;
            // Addresses grow within a sequence (DWARF 5, 6.2.5); a broken one is put in order so that lookups stay true.
            Span<LineRow> body = rows.AsSpan(first, i - first);
            SortIfNeeded(body);
            // What the linker discarded stays behind at 0 or −1.
            if (!body.IsEmpty && body[0].Address.Value < rows[i].Address.Value && image.IsExecutable(body[0].Address))
            {
                intervals.Add(new Interval(body[0].Address.Value, rows[i].Address.Value, _sequences.Count));
                _sequences.Add((first, i));
            }
            first = i + 1;
        }
        _map = IntervalMap.Build(intervals);
    }

    /// <summary>All rows in the order of the program, which is ascending within a sequence.</summary>
    public IReadOnlyList<LineRow> Rows => _rows;

    internal int RowCount => _rows.Length;

    /// <summary>The row that describes an address: of several at one address the last; null outside of the unit's code.</summary>
    public LineRow? Find(ImageAddress address)
    {
        int sequence = _map.Find(address.Value);
        if (sequence < 0)
            return null;
        (int low, int high) = _sequences[sequence];
        int first = low;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (_rows[middle].Address.Value <= address.Value)
                low = middle + 1;
            else
                high = middle;
        }
        return low == first ? null : _rows[low - 1];
    }

    /// <summary>The normalised name of a file, empty if the table has no such file.</summary>
    public string FileName(int file)
    {
        if ((uint)file >= (uint)_names.Length)
            return "";
        return _names[file] ??= _header.FileName(file);
    }

    private static void SortIfNeeded(Span<LineRow> rows)
    {
        for (int i = 1; i < rows.Length; i++)
        {
            if (rows[i].Address.Value < rows[i - 1].Address.Value)
            {
                LineRow[] sorted = [.. rows.ToArray().OrderBy(row => row.Address.Value)];
                sorted.CopyTo(rows);
                return;
            }
        }
    }
}
