using System.Diagnostics.CodeAnalysis;
using System.Text;
using Reheat.Core.Elf;

namespace Reheat.Core.Dwarf;

/// <summary>
/// Compile units by address, without the DWARF that they came from: what is stored of an image's debug information.
/// </summary>
public sealed class UnitTable
{
    private const byte FormatVersion = 1;

    private readonly string[] _paths;
    private readonly List<Interval> _intervals;
    private readonly IntervalMap _map;

    private UnitTable(string[] paths, List<Interval> intervals)
    {
        _paths = paths;
        _map = IntervalMap.Build(intervals);
        _intervals = intervals;
    }

    /// <summary>Paths of the units that have code, sorted, without duplicates.</summary>
    public IReadOnlyList<string> Paths => _paths;

    /// <summary>The path of the unit whose code holds an address (<c>arch/x86/kernel/apic/apic.c</c>), or null. Allocates nothing.</summary>
    public string? Find(ImageAddress address) => _map.Find(address.Value) is var index && index >= 0 ? _paths[index] : null;

    /// <summary>Takes the units out of an image's DWARF.</summary>
    public static UnitTable From(DwarfInfo dwarf)
    {
        string[] paths = [.. dwarf.Units.Where(unit => unit.Ranges.Count > 0).Select(unit => unit.Path).Distinct().Order(StringComparer.Ordinal)];
        var intervals = new List<Interval>();
        foreach (DwarfUnit unit in dwarf.Units)
        {
            foreach (AddressRange range in unit.Ranges)
            {
                int path = Array.BinarySearch(paths, unit.Path, StringComparer.Ordinal);
                intervals.Add(new Interval(range.Start.Value, range.End.Value, path));
            }
        }
        return new UnitTable(paths, intervals);
    }

    /// <summary>
    /// For storage: a version, the paths (count; length and UTF-8 of each), the ranges (count; distance from the start of the one
    /// before, length and path index of each), numbers as LEB128.
    /// </summary>
    public byte[] ToBytes()
    {
        var writer = new LebWriter();
        writer.Byte(FormatVersion);
        writer.Unsigned((ulong)_paths.Length);
        foreach (string path in _paths)
        {
            byte[] utf8 = Encoding.UTF8.GetBytes(path);
            writer.Unsigned((ulong)utf8.Length);
            writer.Bytes(utf8);
        }
        writer.Unsigned((ulong)_intervals.Count);
        ulong before = 0;
        foreach (Interval interval in _intervals)
        {
            writer.Unsigned(interval.Start - before);
            writer.Unsigned(interval.End - interval.Start);
            writer.Unsigned((ulong)interval.Value);
            before = interval.Start;
        }
        return writer.ToArray();
    }

    /// <summary>Reads what <see cref="ToBytes"/> wrote; false for anything else.</summary>
    public static bool TryFromBytes(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out UnitTable? table)
    {
        table = null;
        var reader = new LebReader(bytes);
        if (reader.Byte() != FormatVersion || reader.Unsigned() is var pathCount && pathCount > (ulong)reader.Remaining)
            return false;
        string[] paths = new string[pathCount];
        for (int i = 0; i < paths.Length && !reader.IsBroken; i++)
            paths[i] = Encoding.UTF8.GetString(reader.Take(reader.Unsigned()));
        ulong count = reader.Unsigned();
        // A range has at least three bytes.
        if (reader.IsBroken || count > (ulong)reader.Remaining / 3)
            return false;
        var intervals = new List<Interval>((int)count);
        ulong start = 0;
        for (ulong i = 0; i < count; i++)
        {
            start = unchecked(start + reader.Unsigned());
            ulong length = reader.Unsigned();
            ulong path = reader.Unsigned();
            if (reader.IsBroken || path >= (ulong)paths.Length || start > ulong.MaxValue - length)
                return false;
            intervals.Add(new Interval(start, start + length, (int)path));
        }
        table = new UnitTable(paths, intervals);
        return reader.IsAtEnd;
    }
}
