using Reheat.Core.Elf;

namespace Reheat.Core.Dwarf;

/// <summary>
/// Address ranges of units: <c>DW_AT_low_pc</c>/<c>high_pc</c>, <c>.debug_ranges</c> (DWARF 4, 2.17.3) and <c>.debug_rnglists</c>
/// (DWARF 5, 2.17.3). Ranges outside of code are dropped: linkers leave 0 or −1 where they discarded a function.
/// </summary>
internal sealed class RangeListReader(DwarfSections sections)
{
    // Lists are not shared between units, except in a file made to be slow.
    private long _budget = 4L * (sections.Ranges.Length + sections.RangeLists.Length) + (1 << 16);

    public AddressRange[] Read(ValueResolver values, in TopEntry entry, out bool complete)
    {
        var ranges = new List<AddressRange>();
        bool hasLow = values.TryAddress(entry.LowPc, out ulong low);
        complete = true;
        if (!entry.Ranges.Exists)
        {
            if (!hasLow || !entry.HighPc.Exists)
                return [];
            if (!values.TryAddress(entry.HighPc, out ulong high))
                high = unchecked(low + entry.HighPc.Number);
            Add(ranges, low, high);
        }
        else if (values.Context.Version >= 5)
            complete = ReadList5(values, entry, low, ranges);
        else
            complete = ReadList4(values, entry, low, ranges);
        ranges.Sort();
        return [.. ranges];
    }

    private bool ReadList4(ValueResolver values, in TopEntry entry, ulong start, List<AddressRange> ranges)
    {
        int size = values.Context.AddressSize;
        ulong most = size == 8 ? ulong.MaxValue : uint.MaxValue;
        var reader = new LebReader(sections.Ranges);
        reader.Seek(entry.Ranges.Number);
        while (true)
        {
            ulong begin = reader.Address(size);
            ulong end = reader.Address(size);
            _budget -= 2 * size;
            if (reader.IsBroken || _budget < 0)
                return false;
            if (begin == 0 && end == 0)
                return true;
            if (begin == most)
                start = end;
            else
                Add(ranges, unchecked(start + begin) & most, unchecked(start + end) & most);
        }
    }

    private bool ReadList5(ValueResolver values, in TopEntry entry, ulong start, List<AddressRange> ranges)
    {
        ReadOnlySpan<byte> lists = sections.RangeLists;
        ulong offset = entry.Ranges.Number;
        int size = values.Context.AddressSize;
        if (entry.Ranges.Form == Form.RangeListIndex)
        {
            ulong origin = entry.RangeListsBase ?? (values.Context.OffsetSize == 8 ? 20u : 12u);
            if (!ValueResolver.Entry(lists, origin, offset, values.Context.OffsetSize, out offset))
                return false;
            offset = unchecked(offset + origin);
        }
        var reader = new LebReader(lists);
        reader.Seek(offset);
        while (true)
        {
            int before = reader.Position;
            byte kind = reader.Byte();
            ulong begin = 0, end = 0;
            bool known = true;
            switch (kind)
            {
                case RangeEntry.End:
                    return !reader.IsBroken;
                case RangeEntry.BaseAddressIndex:
                    known = values.TryAddress(reader.Unsigned(), out start);
                    break;
                case RangeEntry.StartIndexEndIndex:
                    known = values.TryAddress(reader.Unsigned(), out begin) & values.TryAddress(reader.Unsigned(), out end);
                    break;
                case RangeEntry.StartIndexLength:
                    known = values.TryAddress(reader.Unsigned(), out begin);
                    end = unchecked(begin + reader.Unsigned());
                    break;
                case RangeEntry.OffsetPair:
                    begin = unchecked(start + reader.Unsigned());
                    end = unchecked(start + reader.Unsigned());
                    break;
                case RangeEntry.BaseAddress:
                    start = reader.Address(size);
                    break;
                case RangeEntry.StartEnd:
                    begin = reader.Address(size);
                    end = reader.Address(size);
                    break;
                case RangeEntry.StartLength:
                    begin = reader.Address(size);
                    end = unchecked(begin + reader.Unsigned());
                    break;
                default:
                    return false;
            }
            _budget -= reader.Position - before;
            if (reader.IsBroken || _budget < 0)
                return false;
            if (known)
                Add(ranges, begin, end);
        }
    }

    private void Add(List<AddressRange> ranges, ulong begin, ulong end)
    {
        if (begin < end && sections.Image.IsExecutable(new ImageAddress(begin)))
            ranges.Add(new AddressRange(new ImageAddress(begin), new ImageAddress(end)));
    }
}
