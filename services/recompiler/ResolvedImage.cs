using Reheat.Core;
using Reheat.Core.Dwarf;
using Reheat.Core.Elf;
using Reheat.Core.Records;
using Reheat.Core.X86;

namespace Reheat.Recompiler;

/// <summary>An image put together from its stored parts, with its functions decoded as they are asked for.</summary>
internal sealed class ResolvedImage(ElfImage elf, PatchedRanges patched, UnitTable? units, SourceLineTable? lines, AnnotatedSites annotated) : IDisposable
{
    private readonly Dictionary<ImageAddress, FunctionCode> _functions = [];
    private readonly FunctionReader _reader = new(elf, patched);

    public ElfImage Elf => elf;

    public int Bitness => elf.Is64 ? 64 : 32;

    /// <summary>The annotated site that code at an address belongs to, in place or in its thunk.</summary>
    public AnnotatedSite? AnnotatedAt(ImageAddress address) => annotated.Find(address);

    public PatchKinds PatchesAt(ImageAddress start, int length) => patched.KindsAt(start, (ulong)Math.Max(length, 1));

    /// <summary>The compile unit of a function: DWARF's, else the symbol table's file.</summary>
    public string UnitOf(ElfFunction function) => units?.Find(function.Start) ?? function.FileName ?? "";

    public SourceLine? LineOf(ImageAddress address) => lines?.Find(address);

    public FunctionCode Decode(ElfFunction function)
    {
        if (!_functions.TryGetValue(function.Start, out FunctionCode? code))
        {
            code = FunctionCode.Decode(OriginalCode.Restore(_reader.Read(function), elf, annotated));
            // Names are looked up in the image, which may be gone when the list is put together.
            _ = code.Fingerprint;
            _functions.Add(function.Start, code);
        }
        return code;
    }

    public void Dispose() => elf.Dispose();
}
