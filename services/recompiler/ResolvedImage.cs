using Reheat.Core;
using Reheat.Core.Dwarf;
using Reheat.Core.Elf;
using Reheat.Core.X86;

namespace Reheat.Recompiler;

/// <summary>An image put together from its stored parts, with its functions decoded as they are asked for.</summary>
internal sealed class ResolvedImage(ElfImage elf, PatchedRanges patched, UnitTable? units, SourceLineTable? lines) : IDisposable
{
    private readonly Dictionary<ImageAddress, FunctionCode> _functions = [];

    public ElfImage Elf => elf;

    public int Bitness => elf.Is64 ? 64 : 32;

    public PatchKinds PatchesAt(ImageAddress start, int length) => patched.KindsAt(start, (ulong)Math.Max(length, 1));

    /// <summary>The compile unit of a function: DWARF's, else the symbol table's file.</summary>
    public string UnitOf(ElfFunction function) => units?.Find(function.Start) ?? function.FileName ?? "";

    public SourceLine? LineOf(ImageAddress address) => lines?.Find(address);

    public FunctionCode Decode(ElfFunction function)
    {
        if (!_functions.TryGetValue(function.Start, out FunctionCode? code))
            _functions.Add(function.Start, code = FunctionCode.Decode(BytesOf(function)));
        return code;
    }

    private FunctionBytes BytesOf(ElfFunction function)
    {
        var references = new List<CodeReference>();
        if (elf.IsRelocatable)
        {
            ulong start = function.Start.Value - function.Section.Start.Value;
            foreach (ElfRelocation relocation in elf.RelocationsOf(function.Section, start, function.Size))
                references.Add(new CodeReference((int)(relocation.Offset - start), NameOf(relocation)));
        }
        return new FunctionBytes
        {
            Name = function.Name,
            Code = elf.BytesAt(function.Start, (int)Math.Min(function.Size, int.MaxValue)).ToArray(),
            Address = function.Start.Value,
            Bitness = Bitness,
            References = references,
            Patched = [.. patched.Overlapping(function.Start, function.Size).SelectMany(r => RangesOf(r, function))],
            NameOf = address => elf.FindFunction(new ImageAddress(address)) is { } target ? NameOf(target) : null,
        };
    }

    private string? NameOf(ElfRelocation relocation)
    {
        string name = elf.Symbols[relocation.SymbolIndex].Name;
        return name.Length > 0 ? name : null;
    }

    private static string? NameOf(ElfFunction function) => SymbolChoice.Preferred(function.Aliases.Select(a => a.Name).Append(function.Name));

    private static IEnumerable<Core.X86.PatchedRange> RangesOf(Core.Elf.PatchedRange range, ElfFunction function)
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
            yield return new Core.X86.PatchedRange((int)(range.Start.Value - function.Start.Value), (int)range.Length, kind);
    }

    public void Dispose() => elf.Dispose();
}
