namespace Reheat.Core.Elf;

/// <summary>A stretch of code under one name: a function, or assembly from a label to the next.</summary>
public sealed class ElfFunction
{
    private readonly ElfSymbol[] _aliases;

    internal ElfFunction(ElfSymbol symbol, AddressRange range, ElfSection section, bool isSized, ElfSymbol[] aliases)
    {
        Symbol = symbol;
        Range = range;
        Section = section;
        IsSized = isSized;
        _aliases = aliases;
    }

    /// <summary>Name of the canonical symbol.</summary>
    public string Name => field ??= Symbol.Name;

    /// <summary>The canonical symbol; see <see cref="FunctionTable"/> for the choice.</summary>
    public ElfSymbol Symbol { get; }

    /// <summary>Other symbols at the same address, in order of preference.</summary>
    public IReadOnlyList<ElfSymbol> Aliases => _aliases;

    /// <summary>
    /// Its addresses. For a symbol without a size: up to the next function or label, or the section's end.
    /// </summary>
    public AddressRange Range { get; }

    /// <summary>First address.</summary>
    public ImageAddress Start => Range.Start;

    /// <summary>First address after it.</summary>
    public ImageAddress End => Range.End;

    /// <summary>Bytes.</summary>
    public ulong Size => Range.Length;

    /// <summary>True if the symbol says the size, false if it was concluded from what follows.</summary>
    public bool IsSized { get; }

    /// <summary>The executable section it stands in.</summary>
    public ElfSection Section { get; }

    /// <summary>STB_LOCAL: static in its source file.</summary>
    public bool IsLocal => Symbol.IsLocal;

    /// <summary>The file symbol that a local function stands under (<c>apic.c</c>); null for global ones.</summary>
    public string? FileName => Symbol.FileName;

    /// <summary>A function's name without what compilers add to it: <c>f</c> of <c>f.cold</c> and <c>f.isra.0</c>.</summary>
    public static string BaseName(string name)
    {
        int dot = name.IndexOf('.', Math.Min(1, name.Length));
        return dot < 0 ? name : name[..dot];
    }

    /// <summary>Name and range.</summary>
    public override string ToString() => $"{Name} {Range}";
}
