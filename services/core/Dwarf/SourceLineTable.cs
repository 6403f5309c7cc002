using System.Diagnostics.CodeAnalysis;
using System.Text;
using Reheat.Core.Elf;

namespace Reheat.Core.Dwarf;

/// <summary>
/// Source lines by address, without the DWARF that they came from: what is stored of an image's line tables. Rows that say the same
/// as the row before them are left out.
/// </summary>
public sealed class SourceLineTable
{
    private const byte FormatVersion = 1;
    private const int NoFile = 0;

    private readonly string[] _files;
    private readonly ulong[] _addresses;
    private readonly int[] _file;
    private readonly int[] _line;

    private SourceLineTable(string[] files, ulong[] addresses, int[] file, int[] line)
    {
        _files = files;
        _addresses = addresses;
        _file = file;
        _line = line;
    }

    /// <summary>Rows kept.</summary>
    public int Count => _addresses.Length;

    /// <summary>The source line of an address, or null.</summary>
    public SourceLine? Find(ImageAddress address)
    {
        int index = Array.BinarySearch(_addresses, address.Value);
        if (index < 0)
            index = ~index - 1;
        return index < 0 || _file[index] == NoFile ? null : new SourceLine(_files[_file[index] - 1], _line[index]);
    }

    /// <summary>Takes the lines out of an image's DWARF.</summary>
    public static SourceLineTable From(DwarfInfo dwarf)
    {
        var files = new List<string>();
        var numbers = new Dictionary<string, int>(StringComparer.Ordinal);
        var rows = new List<(ulong Address, bool IsEnd, int File, int Line)>();
        foreach (DwarfUnit unit in dwarf.Units)
        {
            if (dwarf.Lines(unit) is not { } table)
                continue;
            foreach (LineRow row in table.Rows)
                rows.Add((row.Address.Value, row.IsEnd, row.IsEnd ? NoFile : Number(table.FileName(row.File)), row.IsEnd ? 0 : row.Line));
        }
        // Stable: of several rows at one address the last counts, and an end gives way to the sequence that begins there.
        var ordered = rows.Select((row, i) => (row, i)).OrderBy(r => r.row.Address).ThenBy(r => !r.row.IsEnd).ThenBy(r => r.i).Select(r => r.row);
        var kept = new List<(ulong Address, int File, int Line)>();
        foreach ((ulong address, _, int file, int line) in ordered)
        {
            if (kept.Count > 0 && kept[^1].Address == address)
                kept.RemoveAt(kept.Count - 1);
            if (kept.Count == 0 || kept[^1].File != file || kept[^1].Line != line)
                kept.Add((address, file, line));
        }
        return new SourceLineTable([.. files], [.. kept.Select(r => r.Address)], [.. kept.Select(r => r.File)], [.. kept.Select(r => r.Line)]);

        int Number(string name)
        {
            if (!numbers.TryGetValue(name, out int number))
            {
                files.Add(name);
                numbers.Add(name, number = files.Count);
            }
            return number;
        }
    }

    /// <summary>
    /// For storage: a version, the files (count; length and UTF-8 of each), the rows (count; distance from the address before, file
    /// number from 1 or 0 for none, zigzag distance from the line before), numbers as LEB128.
    /// </summary>
    public byte[] ToBytes()
    {
        var writer = new LebWriter();
        writer.Byte(FormatVersion);
        writer.Unsigned((ulong)_files.Length);
        foreach (string file in _files)
        {
            byte[] utf8 = Encoding.UTF8.GetBytes(file);
            writer.Unsigned((ulong)utf8.Length);
            writer.Bytes(utf8);
        }
        writer.Unsigned((ulong)_addresses.Length);
        ulong address = 0;
        int line = 0;
        for (int i = 0; i < _addresses.Length; i++)
        {
            writer.Unsigned(_addresses[i] - address);
            writer.Unsigned((ulong)_file[i]);
            int distance = _line[i] - line;
            writer.Unsigned((uint)((distance << 1) ^ (distance >> 31)));
            (address, line) = (_addresses[i], _line[i]);
        }
        return writer.ToArray();
    }

    /// <summary>Reads what <see cref="ToBytes"/> wrote; false for anything else.</summary>
    public static bool TryFromBytes(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out SourceLineTable? table)
    {
        table = null;
        var reader = new LebReader(bytes);
        if (reader.Byte() != FormatVersion || reader.Unsigned() is var fileCount && fileCount > (ulong)reader.Remaining)
            return false;
        string[] files = new string[fileCount];
        for (int i = 0; i < files.Length && !reader.IsBroken; i++)
            files[i] = Encoding.UTF8.GetString(reader.Take(reader.Unsigned()));
        ulong count = reader.Unsigned();
        // A row has at least three bytes.
        if (reader.IsBroken || count > (ulong)reader.Remaining / 3)
            return false;
        ulong[] addresses = new ulong[count];
        int[] file = new int[count];
        int[] line = new int[count];
        ulong address = 0;
        int lastLine = 0;
        for (int i = 0; i < addresses.Length; i++)
        {
            address = unchecked(address + reader.Unsigned());
            ulong number = reader.Unsigned();
            uint distance = (uint)reader.Unsigned();
            if (reader.IsBroken || number > fileCount || (i > 0 && address <= addresses[i - 1]))
                return false;
            lastLine = unchecked(lastLine + (int)(distance >> 1 ^ (uint)-(int)(distance & 1)));
            (addresses[i], file[i], line[i]) = (address, (int)number, lastLine);
        }
        table = new SourceLineTable(files, addresses, file, line);
        return reader.IsAtEnd;
    }
}
