using Reheat.Core.Elf;

namespace Reheat.Core.Dwarf;

/// <summary>Walks the unit headers of <c>.debug_info</c> and reads each unit's first entry, nothing more.</summary>
internal sealed class UnitReader(DwarfSections sections)
{
    // More malformed units than that, and the section is no DWARF.
    private const int MostMalformed = 100;

    private readonly List<DwarfUnit> _units = [];
    private readonly RangeListReader _ranges = new(sections);
    private string _section = "";
    private ulong _at;
    private int _malformed;

    // Units share abbreviation tables only in hostile files and, with one code, in LTO.
    private long _abbrevBudget = 8L * sections.Abbrev.Length + (1 << 20);
    private (ulong Table, ulong Code, ulong Position) _lastAbbrev = (ulong.MaxValue, 0, 0);

    public DwarfUnit[] ReadAll()
    {
        foreach (ElfSection section in sections.Info)
            ReadSection(section);
        return [.. _units];
    }

    private void ReadSection(ElfSection section)
    {
        ReadOnlySpan<byte> info = sections.Bytes(section);
        _section = section.ToString();
        _malformed = 0;
        ulong at = 0;
        while (at < (ulong)info.Length && _malformed < MostMalformed)
        {
            _at = at;
            var reader = new LebReader(info[(int)at..]);
            ulong length = reader.UInt32();
            int offsetSize = 4;
            if (length == uint.MaxValue)
            {
                length = reader.UInt64();
                offsetSize = 8;
            }
            else if (length >= 0xfffffff0)
            {
                Report(DiagnosticId.DwarfMalformed, $"reserved unit length 0x{length:x}; the rest is left out");
                return;
            }
            if (reader.IsBroken || length > (ulong)reader.Remaining)
            {
                Report(DiagnosticId.DwarfTruncated, $"unit of 0x{length:x} bytes, 0x{reader.Remaining:x} are left");
                return;
            }
            int header = reader.Position;
            ReadUnit(info.Slice((int)at, header + (int)length), header, at, offsetSize);
            at += (ulong)header + length;
        }
    }

    private void ReadUnit(ReadOnlySpan<byte> unit, int header, ulong offset, int offsetSize)
    {
        var reader = new LebReader(unit);
        reader.Seek((ulong)header);
        int version = reader.UInt16();
        if (version is < 2 or > 5)
        {
            Report(DiagnosticId.DwarfUnsupported, $"DWARF version {version}: 2 to 5 are supported; unit left out");
            return;
        }
        byte type = version >= 5 ? reader.Byte() : UnitType.Compile;
        int addressSize = version >= 5 ? reader.Byte() : 0;
        ulong abbrevTable = reader.Address(offsetSize);
        if (version < 5)
            addressSize = reader.Byte();
        if (type is UnitType.Type or UnitType.SplitType or UnitType.Partial or UnitType.SplitCompile)
            return;
        if (type == UnitType.Skeleton)
            reader.Skip(8);

        var context = new FormContext(version, addressSize, offsetSize);
        ulong code = reader.Unsigned();
        if (reader.IsBroken || addressSize is not (4 or 8))
        {
            Report(DiagnosticId.DwarfMalformed, $"unit header: type {type}, addresses of {addressSize} bytes");
            return;
        }
        if (code == 0)
            return;
        if (!TryFindAbbrev(abbrevTable, code, out LebReader abbrev))
        {
            Report(DiagnosticId.DwarfMalformed, $"no abbreviation {code} in the table at 0x{abbrevTable:x}");
            return;
        }
        if (abbrev.Unsigned() is not (Tag.CompileUnit or Tag.SkeletonUnit))
            return;
        abbrev.Byte();
        var entry = TopEntry.Read(ref reader, ref abbrev, context);
        if (reader.IsBroken || abbrev.IsBroken)
        {
            Report(DiagnosticId.DwarfMalformed, "top-level entry ends early or has an unknown form; unit left out");
            return;
        }
        Add(unit, offset, context, entry);
    }

    private void Add(ReadOnlySpan<byte> unit, ulong offset, FormContext context, in TopEntry entry)
    {
        var values = new ValueResolver(sections, unit, context, entry.StringOffsetsBase, entry.AddressBase);
        AddressRange[] ranges = _ranges.Read(values, entry, out bool complete);
        if (!complete)
            Report(DiagnosticId.DwarfMalformed, $"range list at 0x{entry.Ranges.Number:x} does not end");
        if (entry.Name.Form is Form.GnuAlternateString or Form.SupplementaryString)
            Report(DiagnosticId.DwarfUnsupported, "the unit's name is in a supplementary file (dwz), which is not read");
        _units.Add(new DwarfUnit(
            offset, context, values.Text(entry.Name), values.Text(entry.Directory), ranges,
            entry.Lines.Exists ? entry.Lines.Number : null));
    }

    private void Report(DiagnosticId id, string message)
    {
        _malformed++;
        sections.Image.Bag.Add(id, $"{_section} at 0x{_at:x}", message);
    }

    // Leaves the reader behind the code, at the tag.
    private bool TryFindAbbrev(ulong table, ulong code, out LebReader abbrev)
    {
        abbrev = new LebReader(sections.Abbrev);
        if (_lastAbbrev.Table == table && _lastAbbrev.Code == code)
        {
            abbrev.Seek(_lastAbbrev.Position);
            return true;
        }
        abbrev.Seek(table);
        int start = abbrev.Position;
        while (!abbrev.IsBroken && _abbrevBudget > 0)
        {
            ulong found = abbrev.Unsigned();
            if (found == 0)
                return false;
            if (found == code)
            {
                _lastAbbrev = (table, code, (ulong)abbrev.Position);
                _abbrevBudget -= abbrev.Position - start;
                return !abbrev.IsBroken;
            }
            int before = abbrev.Position;
            abbrev.Unsigned();
            abbrev.Byte();
            while (!abbrev.IsBroken)
            {
                ulong name = abbrev.Unsigned();
                ulong form = abbrev.Unsigned();
                if (form == Form.ImplicitConstant)
                    abbrev.Signed();
                if (name == 0 && form == 0)
                    break;
            }
            _abbrevBudget -= abbrev.Position - before;
        }
        return false;
    }
}
