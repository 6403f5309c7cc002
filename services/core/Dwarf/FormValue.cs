using Reheat.Core.Elf;

namespace Reheat.Core.Dwarf;

/// <summary>Widths that forms depend on: of the unit they stand in.</summary>
internal readonly record struct FormContext(int Version, int AddressSize, int OffsetSize);

/// <summary>
/// The value of an attribute as it stands in the file: a number, or the position of an inline string. What indices mean is only known
/// once the whole entry is read, because the bases are attributes too.
/// </summary>
internal readonly record struct FormValue(ulong Form, ulong Number)
{
    /// <summary>False for the default: the attribute is absent.</summary>
    public bool Exists => Form != 0;

    /// <summary>Reads one; an unknown form breaks the reader, as nothing after it can be found.</summary>
    public static FormValue Read(ref LebReader reader, ulong form, long implicitConstant, FormContext context)
    {
        // An indirect form may name another; a chain of more than a few is an attack.
        for (int i = 0; form == Dwarf.Form.Indirect && i < 4; i++)
            form = reader.Unsigned();
        ulong number = 0;
        switch (form)
        {
            case Dwarf.Form.Address:
                number = reader.Address(context.AddressSize);
                break;
            case Dwarf.Form.Data1 or Dwarf.Form.Flag or Dwarf.Form.Reference1 or Dwarf.Form.StringIndex1 or Dwarf.Form.AddressIndex1:
                number = reader.Byte();
                break;
            case Dwarf.Form.Data2 or Dwarf.Form.Reference2 or Dwarf.Form.StringIndex2 or Dwarf.Form.AddressIndex2:
                number = reader.UInt16();
                break;
            case Dwarf.Form.StringIndex3 or Dwarf.Form.AddressIndex3:
                number = reader.UInt24();
                break;
            case Dwarf.Form.Data4 or Dwarf.Form.Reference4 or Dwarf.Form.SupplementaryReference4 or Dwarf.Form.StringIndex4
                or Dwarf.Form.AddressIndex4:
                number = reader.UInt32();
                break;
            case Dwarf.Form.Data8 or Dwarf.Form.Reference8 or Dwarf.Form.ReferenceSignature or Dwarf.Form.SupplementaryReference8:
                number = reader.UInt64();
                break;
            case Dwarf.Form.Data16:
                reader.Skip(16);
                break;
            case Dwarf.Form.SignedData:
                number = unchecked((ulong)reader.Signed());
                break;
            case Dwarf.Form.UnsignedData or Dwarf.Form.ReferenceUnsigned or Dwarf.Form.StringIndex or Dwarf.Form.AddressIndex
                or Dwarf.Form.LocationListIndex or Dwarf.Form.RangeListIndex or Dwarf.Form.GnuAddressIndex or Dwarf.Form.GnuStringIndex:
                number = reader.Unsigned();
                break;
            case Dwarf.Form.StringPointer or Dwarf.Form.LineStringPointer or Dwarf.Form.SectionOffset or Dwarf.Form.SupplementaryString
                or Dwarf.Form.GnuAlternateReference or Dwarf.Form.GnuAlternateString:
                number = reader.Address(context.OffsetSize);
                break;
            case Dwarf.Form.ReferenceAddress:
                number = reader.Address(context.Version == 2 ? context.AddressSize : context.OffsetSize);
                break;
            case Dwarf.Form.String:
                number = (ulong)reader.Position;
                reader.String();
                break;
            case Dwarf.Form.Block1:
                reader.Skip(reader.Byte());
                break;
            case Dwarf.Form.Block2:
                reader.Skip(reader.UInt16());
                break;
            case Dwarf.Form.Block4:
                reader.Skip(reader.UInt32());
                break;
            case Dwarf.Form.Block or Dwarf.Form.Expression:
                reader.Skip(reader.Unsigned());
                break;
            case Dwarf.Form.FlagPresent:
                number = 1;
                break;
            case Dwarf.Form.ImplicitConstant:
                number = unchecked((ulong)implicitConstant);
                break;
            default:
                reader.Break();
                break;
        }
        return new FormValue(form, number);
    }
}
