using Reheat.Core.Elf;

namespace Reheat.Core.Dwarf;

/// <summary>The attributes of a unit's first entry that say what it is and where; absent ones are default.</summary>
internal record struct TopEntry(
    FormValue Name,
    FormValue Directory,
    FormValue LowPc,
    FormValue HighPc,
    FormValue Ranges,
    FormValue Lines,
    ulong? StringOffsetsBase,
    ulong? AddressBase,
    ulong? RangeListsBase)
{
    /// <summary>Reads an entry by its abbreviation, both readers standing at their first attribute.</summary>
    public static TopEntry Read(ref LebReader reader, ref LebReader abbrev, FormContext context)
    {
        TopEntry entry = default;
        while (true)
        {
            ulong attribute = abbrev.Unsigned();
            ulong form = abbrev.Unsigned();
            long constant = form == Form.ImplicitConstant ? abbrev.Signed() : 0;
            if ((attribute == 0 && form == 0) || abbrev.IsBroken || reader.IsBroken)
                return entry;
            var value = FormValue.Read(ref reader, form, constant, context);
            switch (attribute)
            {
                case At.Name:
                    entry.Name = value;
                    break;
                case At.CompilationDirectory:
                    entry.Directory = value;
                    break;
                case At.LowPc:
                    entry.LowPc = value;
                    break;
                case At.HighPc:
                    entry.HighPc = value;
                    break;
                case At.Ranges:
                    entry.Ranges = value;
                    break;
                case At.StatementList:
                    entry.Lines = value;
                    break;
                case At.StringOffsetsBase:
                    entry.StringOffsetsBase = value.Number;
                    break;
                case At.AddressBase or At.GnuAddressBase:
                    entry.AddressBase = value.Number;
                    break;
                case At.RangeListsBase or At.GnuRangesBase:
                    entry.RangeListsBase = value.Number;
                    break;
            }
        }
    }
}
