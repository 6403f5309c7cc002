using Reheat.Core.Elf;

namespace Reheat.Core.X86;

/// <summary>
/// Reads functions out of ELF files, so that a fresh object and the image linked from it give equal normal forms
/// (<see cref="FunctionCode"/>). Addresses are those of <see cref="ImageAddress"/>: virtual in an image, file offsets in an object.
/// </summary>
/// <param name="elf">The file.</param>
/// <param name="patched">Its places that change after the assembler.</param>
public sealed class FunctionReader(ElfImage elf, PatchedRanges patched)
{
    private (ulong Address, int Symbol)[]? _labels;

    /// <summary>32 or 64.</summary>
    public int Bitness => elf.Is64 ? 64 : 32;

    /// <summary>The function with all that its normal form needs.</summary>
    public FunctionBytes Read(ElfFunction function) => new()
    {
        Name = function.Name,
        Code = elf.BytesAt(function.Start, (int)Math.Min(function.Size, int.MaxValue)).ToArray(),
        Address = function.Start.Value,
        Bitness = Bitness,
        References = References(function),
        Patched = [.. patched.Overlapping(function.Start, function.Size).SelectMany(range => RangesOf(range, function))],
        NameOf = NameOf,
    };

    /// <summary>The function decoded.</summary>
    public FunctionCode Decode(ElfFunction function) => FunctionCode.Decode(Read(function));

    /// <summary>
    /// Names what stands at an address: a symbol that begins there (retpolines are labels inside one array function), else the function around
    /// it; null if there is none.
    /// </summary>
    public string? NameOf(ulong address)
    {
        (ulong Address, int Symbol)[] labels = _labels ??= Labels();
        int first = Array.BinarySearch(labels, (address, 0));
        first = first < 0 ? ~first : first;
        if (first < labels.Length && labels[first].Address == address)
            return SymbolChoice.Preferred(labels[first..].TakeWhile(label => label.Address == address).Select(label => elf.Symbols[label.Symbol].Name));
        return elf.FindFunction(new ImageAddress(address)) is { } function
            ? SymbolChoice.Preferred(function.Aliases.Select(alias => alias.Name).Append(function.Name))
            : null;
    }

    private List<CodeReference> References(ElfFunction function)
    {
        var references = new List<CodeReference>();
        if (!elf.IsRelocatable)
            return references;
        ulong start = function.Start.Value - function.Section.Start.Value;
        foreach (ElfRelocation relocation in elf.RelocationsOf(function.Section, start, function.Size))
        {
            int offset = (int)(relocation.Offset - start);
            ElfSymbol symbol = elf.Symbols[relocation.SymbolIndex];
            if (symbol.Address is not { } address)
            {
                references.Add(new CodeReference(offset, symbol.NameBytes.IsEmpty ? null : symbol.Name));
                continue;
            }
            // The field ends the instruction, and the processor counts from there.
            ulong relative = ElfRelocationTypes.IsFromPlace(elf.Machine, relocation.Type) ? 4u : 0u;
            ulong target = unchecked(address.Value + (ulong)relocation.Addend + relative);
            string? name = symbol.Section!.IsExecutable ? NameOf(target) : symbol.NameBytes.IsEmpty ? null : symbol.Name;
            references.Add(new CodeReference(offset, name, symbol.SectionIndex == function.Section.Index ? target : null));
        }
        return references;
    }

    private (ulong Address, int Symbol)[] Labels()
    {
        var labels = new List<(ulong, int)>();
        ElfSymbolTable symbols = elf.Symbols;
        for (int i = 1; i < symbols.Count; i++)
        {
            ElfSymbol symbol = symbols[i];
            if (symbol.Type is ElfSymbolType.None or ElfSymbolType.Function or ElfSymbolType.IndirectFunction &&
                symbol.Section is { IsExecutable: true } && !symbol.NameBytes.IsEmpty)
            {
                labels.Add((symbol.Address!.Value.Value, i));
            }
        }
        labels.Sort();
        return [.. labels];
    }

    private static IEnumerable<PatchedRange> RangesOf(Elf.PatchedRange range, ElfFunction function)
    {
        PatchKind kind = range.Kind switch
        {
            PatchKinds.JumpLabel => PatchKind.JumpLabel,
            PatchKinds.Mcount => PatchKind.FunctionTrace,
            PatchKinds.StaticCall => PatchKind.StaticCall,
            PatchKinds.Alternative => PatchKind.Alternative,
            PatchKinds.SmpLock => PatchKind.LockPrefix,
            PatchKinds.Retpoline or PatchKinds.Return => PatchKind.Retpoline,
            PatchKinds.ExceptionSite => PatchKind.ExceptionTable,
            _ => PatchKind.None,
        };
        if (kind != PatchKind.None)
            yield return new PatchedRange((int)(range.Start.Value - function.Start.Value), (int)range.Length, kind);
    }
}
