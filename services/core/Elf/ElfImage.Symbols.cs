namespace Reheat.Core.Elf;

public sealed partial class ElfImage
{
    /// <summary><c>.symtab</c>; empty in a stripped image.</summary>
    public ElfSymbolTable Symbols
    {
        get
        {
            // Lookups come here each time: no lock once it is there.
            if (field is { } ready)
                return ready;
            lock (_lock)
                return field ??= new ElfSymbolTable(this, FirstOf(ElfSectionType.SymbolTable));
        }
    }

    /// <summary><c>.dynsym</c>; empty in a kernel.</summary>
    public ElfSymbolTable DynamicSymbols
    {
        get
        {
            // Lookups come here each time: no lock once it is there.
            if (field is { } ready)
                return ready;
            lock (_lock)
                return field ??= new ElfSymbolTable(this, FirstOf(ElfSectionType.DynamicSymbols));
        }
    }

    /// <summary>The functions, from <c>.symtab</c> or, if stripped of it, <c>.dynsym</c>; sorted by address.</summary>
    public FunctionTable Functions
    {
        get
        {
            // Lookups come here each time: no lock once it is there.
            if (field is { } ready)
                return ready;
            lock (_lock)
                return field ??= FunctionTable.Build(this, Symbols.Count > 0 ? Symbols : DynamicSymbols);
        }
    }

    /// <summary>The function that holds an address, or null. O(log n), allocates nothing.</summary>
    public ElfFunction? FindFunction(ImageAddress address) => Functions.Find(address);

    private ElfSection? FirstOf(ElfSectionType type)
    {
        foreach (ElfSection section in _sections)
        {
            if (section.Type == type)
                return section;
        }
        return null;
    }
}
