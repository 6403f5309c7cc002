using Reheat.Core.Elf;

namespace Reheat.Core.Dwarf;

/// <summary>Turns the forms of one unit into strings and addresses, through the tables that the unit's bases select.</summary>
internal readonly ref struct ValueResolver(
    DwarfSections sections, ReadOnlySpan<byte> unit, FormContext context, ulong? stringOffsets, ulong? addresses)
{
    private readonly ReadOnlySpan<byte> _unit = unit;

    // DWARF 5, 7.26 and 7.27: without a base, the tables begin behind their first header.
    private readonly ulong _stringOffsets = stringOffsets ?? (context.Version < 5 ? 0 : context.OffsetSize == 8 ? 16u : 8u);
    private readonly ulong _addresses = addresses ?? (context.Version < 5 ? 0 : context.OffsetSize == 8 ? 16u : 8u);

    public FormContext Context => context;

    /// <summary>A string of whatever form; empty if it is none or not there.</summary>
    public string Text(FormValue value)
    {
        switch (value.Form)
        {
            case Form.String:
                return sections.InlineText(_unit, value.Number);
            case Form.StringPointer:
                return sections.Text(value.Number);
            case Form.LineStringPointer:
                return sections.LineText(value.Number);
            case Form.StringIndex or Form.StringIndex1 or Form.StringIndex2 or Form.StringIndex3 or Form.StringIndex4
                or Form.GnuStringIndex:
                return Entry(sections.StringOffsets, _stringOffsets, value.Number, context.OffsetSize, out ulong offset)
                    ? sections.Text(offset)
                    : "";
            default:
                return "";
        }
    }

    /// <summary>An address of whatever form; false if it is none or not there.</summary>
    public bool TryAddress(FormValue value, out ulong address)
    {
        address = value.Number;
        return value.Form switch
        {
            Form.Address => true,
            Form.AddressIndex or Form.AddressIndex1 or Form.AddressIndex2 or Form.AddressIndex3 or Form.AddressIndex4
                or Form.GnuAddressIndex => TryAddress(value.Number, out address),
            _ => false,
        };
    }

    /// <summary>An entry of the unit's address table.</summary>
    public bool TryAddress(ulong index, out ulong address) =>
        Entry(sections.Addresses, _addresses, index, context.AddressSize, out address);

    /// <summary>An entry of a table of numbers, all bounds checked.</summary>
    public static bool Entry(ReadOnlySpan<byte> table, ulong start, ulong index, int size, out ulong value)
    {
        value = 0;
        ulong length = (ulong)table.Length;
        if (start > length || index >= (length - start) / (ulong)size)
            return false;
        var reader = new LebReader(table);
        reader.Seek(start + index * (ulong)size);
        value = reader.Address(size);
        return !reader.IsBroken;
    }
}
