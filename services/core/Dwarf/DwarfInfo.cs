using Reheat.Core.Elf;

namespace Reheat.Core.Dwarf;

/// <summary>
/// The compile units of an image with their address ranges, and its line tables on demand. DWARF 2 to 5, 32- and 64-bit.
/// Only the top-level entry of each unit is read, so units of a 600 MB kernel take a fraction of a second.
/// </summary>
/// <remarks>
/// Uses the image, which must stay open. What is malformed goes to the image's diagnostics and is left out. Safe for use by several
/// threads. Not supported: names in a supplementary file (dwz) and in .dwo files (split DWARF).
/// </remarks>
public sealed partial class DwarfInfo
{
    private readonly DwarfSections _sections;
    private readonly DwarfUnit[] _units;
    private readonly IntervalMap _map;

    private DwarfInfo(DwarfSections sections, DwarfUnit[] units)
    {
        _sections = sections;
        _units = units;
        var intervals = new List<Interval>();
        for (int i = 0; i < units.Length; i++)
        {
            foreach (AddressRange range in units[i].Ranges)
                intervals.Add(new Interval(range.Start.Value, range.End.Value, i));
        }
        _map = IntervalMap.Build(intervals);
    }

    /// <summary>All compile units in file order, those without code included.</summary>
    public IReadOnlyList<DwarfUnit> Units => _units;

    /// <summary>True if the image has no DWARF.</summary>
    public bool IsEmpty => _units.Length == 0;

    /// <summary>Everything found wrong so far: the image's.</summary>
    public IReadOnlyList<Diagnostic> Diagnostics => _sections.Image.Diagnostics;

    /// <summary>Reads the units of an image; of one without DWARF an empty result.</summary>
    public static DwarfInfo Read(ElfImage image)
    {
        var sections = new DwarfSections(image);
        return new DwarfInfo(sections, new UnitReader(sections).ReadAll());
    }

    /// <summary>The unit whose code holds an address, or null. O(log n), allocates nothing.</summary>
    public DwarfUnit? FindUnit(ImageAddress address) =>
        _map.Find(address.Value) is var index && index >= 0 ? _units[index] : null;
}
