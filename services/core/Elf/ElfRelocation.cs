namespace Reheat.Core.Elf;

/// <summary>One relocation, REL and RELA alike.</summary>
/// <param name="Offset">Where: bytes from the start of the target section in a relocatable object, an address in a linked image.</param>
/// <param name="Type">Number of the machine's type; see <see cref="ElfRelocationTypes.Name"/>.</param>
/// <param name="SymbolIndex">Index in the symbol table; 0 for none.</param>
/// <param name="Addend">The addend; of a REL relocation read from the bytes to be relocated.</param>
public readonly record struct ElfRelocation(ulong Offset, uint Type, int SymbolIndex, long Addend) : IComparable<ElfRelocation>
{
    /// <summary>By offset, then type, symbol and addend.</summary>
    public int CompareTo(ElfRelocation other)
    {
        int order = Offset.CompareTo(other.Offset);
        if (order == 0)
            order = Type.CompareTo(other.Type);
        if (order == 0)
            order = SymbolIndex.CompareTo(other.SymbolIndex);
        return order != 0 ? order : Addend.CompareTo(other.Addend);
    }
}
