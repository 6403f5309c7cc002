using Iced.Intel;

namespace Reheat.Core.X86;

/// <summary>
/// A function decoded from its first to its last byte, with the ordinals, texts and fingerprint by which the next build finds its
/// sites again. Equal for the function in the object that the assembler made and in the image linked from it.
/// </summary>
public sealed partial class FunctionCode
{
    private readonly FunctionBytes _source;
    private readonly CodeInstruction[] _instructions;
    private readonly int[] _counted;
    private readonly CodeReference[] _references;

    private FunctionCode(FunctionBytes source, CodeInstruction[] instructions, int[] counted, CodeReference[] references) =>
        (_source, _instructions, _counted, _references) = (source, instructions, counted, references);

    /// <summary>The function's symbol.</summary>
    public string Name => _source.Name;

    /// <summary>Where it stands: see <see cref="FunctionBytes.Address"/>.</summary>
    public ulong Address => _source.Address;

    /// <summary>All instructions in order, those without an ordinal included; invalid bytes are instructions of one byte.</summary>
    public ReadOnlySpan<CodeInstruction> Instructions => _instructions;

    /// <summary>How many instructions have an ordinal.</summary>
    public int Count => _counted.Length;

    /// <summary>Decodes a function. Nothing in the bytes makes it throw.</summary>
    public static FunctionCode Decode(FunctionBytes source)
    {
        CodeReference[] references = [.. source.References, .. source.Substitutes.SelectMany((s, i) =>
            s.References.Select(r => r with { Offset = SubstituteOffset(source, i) + r.Offset }))];
        Array.Sort(references, static (a, b) => a.Offset.CompareTo(b.Offset));
        PatchedRange[] patched = [.. source.Patched];
        ReadOnlySpan<byte> code = source.Code.Span;
        var instructions = new List<CodeInstruction>(code.Length / 4);
        var counted = new List<int>(code.Length / 4);
        int substitute = 0;
        for (int offset = 0; offset < code.Length;)
        {
            var instruction = SiteInstruction.Decode(code[offset..], source.Address + (ulong)offset, source.Bitness, out ConstantOffsets constants);
            int length = instruction.IsValid ? instruction.Length : 1;
            int referenceOffset = offset;
            while (substitute < source.Substitutes.Count && source.Substitutes[substitute].Offset < offset)
                substitute++;
            if (substitute < source.Substitutes.Count && source.Substitutes[substitute] is var moved && moved.Offset == offset)
            {
                instruction = SiteInstruction.Decode(moved.Code.Span, moved.Address, source.Bitness, out constants);
                referenceOffset = SubstituteOffset(source, substitute);
            }
            PatchKind kind = Kind(patched, offset);
            bool count = kind is not (PatchKind.JumpLabel or PatchKind.FunctionTrace) && !IsUncounted(source, offset) && !Uncounted.Is(instruction.Decoded, source.Bitness, IsDisplacementRelocated(references, referenceOffset, constants)) &&
                !IsTraceCall(source, references, referenceOffset, instruction, constants);
            if (count)
                counted.Add(instructions.Count);
            instructions.Add(new CodeInstruction(offset, count ? counted.Count - 1 : -1, instruction, constants, kind, referenceOffset));
            offset += length;
        }
        return new FunctionCode(source, [.. instructions], [.. counted], references);
    }

    /// <summary>The instruction of an ordinal; null if the function has no such.</summary>
    public CodeInstruction? ByOrdinal(int ordinal) =>
        (uint)ordinal < (uint)_counted.Length ? _instructions[_counted[ordinal]] : null;

    /// <summary>The instruction that begins at an offset; null if none does (outside, or inside an instruction).</summary>
    public CodeInstruction? At(int offset) => IndexAt(offset) is >= 0 and int index ? _instructions[index] : null;

    private int IndexAt(int offset)
    {
        int low = 0, high = _instructions.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) / 2;
            int order = _instructions[middle].Offset.CompareTo(offset);
            if (order == 0)
                return middle;
            if (order < 0)
                low = middle + 1;
            else
                high = middle - 1;
        }
        return ~low;
    }

    private static bool IsUncounted(FunctionBytes source, int offset)
    {
        foreach ((int start, int length) in source.Uncounted)
        {
            if (offset >= start && offset < start + length)
                return true;
        }
        return false;
    }

    // Behind the function's own bytes, in a place for each: its references can then meet no other instruction's.
    private static int SubstituteOffset(FunctionBytes source, int index) => source.Code.Length + ((index + 1) * 32);

    // The first kind that says something about counting wins over the merely informative ones.
    private static PatchKind Kind(PatchedRange[] patched, int offset)
    {
        var kind = PatchKind.None;
        foreach (PatchedRange range in patched)
        {
            if (offset < range.Offset || offset >= range.Offset + Math.Max(range.Length, 1))
                continue;
            if (range.Kind is PatchKind.JumpLabel or PatchKind.FunctionTrace)
                return range.Kind;
            if (kind == PatchKind.None || range.Kind < kind)
                kind = range.Kind;
        }
        return kind;
    }

    // The link leaves call __fentry__ where recordmcount was not run, and a NOP where it was; neither counts.
    private static bool IsTraceCall(FunctionBytes source, CodeReference[] references, int offset, in SiteInstruction instruction, in ConstantOffsets constants)
    {
        if (instruction.Decoded.Mnemonic != Mnemonic.Call || instruction.Decoded.OpCount != 1)
            return false;
        return BranchName(source, references, offset, instruction.Decoded, constants) is "__fentry__" or "mcount" or "_mcount";
    }
}
