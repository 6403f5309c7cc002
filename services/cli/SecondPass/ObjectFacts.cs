using System.Collections.Frozen;
using Reheat.Core.Dwarf;
using Reheat.Core.Elf;

namespace Reheat.Cli.SecondPass;

/// <summary>What kind of file an object is, for the second pass.</summary>
internal enum ObjectKind
{
    /// <summary>The assembler's output for one source file.</summary>
    Single,

    /// <summary>Several objects linked together (<c>ld -r</c>): rebuilt by make when its parts are.</summary>
    Composite,

    /// <summary>Intermediate code of link-time optimisation: no assembler ran.</summary>
    Lto,

    /// <summary>Cannot be read: cut off, or no x86 object.</summary>
    Unreadable,
}

/// <summary>What the second pass needs to know of one object file.</summary>
internal sealed record ObjectFacts(ObjectKind Kind)
{
    /// <summary>The architecture as lists call it.</summary>
    public string Architecture { get; init; } = "";

    /// <summary>The compile unit by its debug information; null without.</summary>
    public string? Unit { get; init; }

    /// <summary>The file symbol: the source file's name; null without.</summary>
    public string? FileSymbol { get; init; }

    /// <summary>True if it has records: it was annotated.</summary>
    public bool HasRecords { get; init; }

    /// <summary>Those of the functions asked for that it defines, by their names before what compilers add (<c>.constprop.0</c>).</summary>
    public FrozenSet<string> Functions { get; init; } = [];

    /// <summary>Reads an object. Never throws over its bytes.</summary>
    /// <param name="path">The file.</param>
    /// <param name="listed">Functions that matter, by <see cref="ElfFunction.BaseName"/>.</param>
    /// <param name="isCandidate">Says of a file symbol whether the object's debug information is worth reading.</param>
    public static ObjectFacts Read(string path, IReadOnlySet<string> listed, Func<string?, bool> isCandidate)
    {
        if (IsBitcode(path))
            return new ObjectFacts(ObjectKind.Lto);
        if (!ElfImage.TryOpen(path, out ElfImage? image, out _) || !image.IsRelocatable || image.Sections.Count == 0)
            return new ObjectFacts(ObjectKind.Unreadable);
        using ElfImage open = image;
        bool hasRecords = false;
        foreach (ElfSection section in open.Sections)
        {
            if (section.NameStartsWith(".gnu.lto_"u8))
                return new ObjectFacts(ObjectKind.Lto);
            hasRecords |= section.NameStartsWith(".debug_afterburn"u8);
        }
        var files = new HashSet<string>();
        var functions = new HashSet<string>();
        foreach (ElfSymbol symbol in open.Symbols)
        {
            if (symbol.Type == ElfSymbolType.File && !symbol.NameBytes.IsEmpty)
                files.Add(symbol.Name);
            else if (listed.Count > 0 && symbol.SectionIndex != 0 && symbol.Type is ElfSymbolType.Function or ElfSymbolType.None && ElfFunction.BaseName(symbol.Name) is var name && listed.Contains(name))
                functions.Add(name);
        }
        // Not a look into the debug information of such: that of a whole kernel linked together is large.
        if (files.Count > 1)
            return new ObjectFacts(ObjectKind.Composite) { HasRecords = hasRecords };
        string? file = files.FirstOrDefault();
        string[] units = isCandidate(file)
            ? [.. DwarfInfo.Read(open).Units.Where(u => u.Path.Length > 0).Select(u => u.Path).Distinct(StringComparer.Ordinal)]
            : [];
        return new ObjectFacts(units.Length > 1 ? ObjectKind.Composite : ObjectKind.Single)
        {
            Architecture = open.Machine == ElfMachine.X64 ? "x86-64" : "i386",
            Unit = units is [var unit] ? unit : null,
            FileSymbol = file is null ? null : Path.GetFileName(file),
            HasRecords = hasRecords,
            Functions = functions.ToFrozenSet(),
        };
    }

    // LLVM's bitcode, bare or in its wrapper.
    private static bool IsBitcode(string path)
    {
        using FileStream file = File.OpenRead(path);
        Span<byte> magic = stackalloc byte[4];
        return file.ReadAtLeast(magic, 4, throwOnEndOfStream: false) == 4 && magic is [0x42, 0x43, 0xc0, 0xde] or [0xde, 0xc0, 0x17, 0x0b];
    }
}
