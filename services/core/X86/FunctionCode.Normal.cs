using System.Globalization;
using System.IO.Hashing;
using System.Text;
using Iced.Intel;

namespace Reheat.Core.X86;

public sealed partial class FunctionCode
{
    /// <summary>
    /// Version of the normal form. A change of the rules, or of how Iced spells anything, makes fingerprints and texts of before
    /// and after incomparable: raise it, and lists of another version are refused instead of silently not matching.
    /// </summary>
    public const int NormalVersion = 1;

    private const string Unnamed = "?";
    private Fingerprint? _fingerprint;
    private CodeSketch? _sketch;

    /// <summary>Hash of the normalised instructions; see <see cref="X86.Fingerprint"/>.</summary>
    public Fingerprint Fingerprint
    {
        get
        {
            if (_fingerprint is null)
                Normalise();
            return _fingerprint!.Value;
        }
    }

    /// <summary>16 bits for each counted instruction, to align a changed function by.</summary>
    public CodeSketch Sketch
    {
        get
        {
            if (_sketch is null)
                Normalise();
            return _sketch!;
        }
    }

    /// <summary>
    /// The normalised instruction: <c>movl %esi,sym(%rdi)</c>, <c>jne .12</c> (an ordinal), <c>call kfree</c>. No addresses, lengths
    /// or encodings: a short and a near jump read alike, a retpoline reads like the indirect branch that it stands for.
    /// </summary>
    public string Text(in CodeInstruction instruction) => Text(instruction, out string? name) is var shape && name is null
        ? shape
        : shape[..^Unnamed.Length] + name;

    private void Normalise()
    {
        var shape = new XxHash3(NormalVersion);
        var names = new XxHash3(NormalVersion);
        var sketch = new ushort[_counted.Length];
        Span<byte> buffer = stackalloc byte[512];
        for (int ordinal = 0; ordinal < _counted.Length; ordinal++)
        {
            CodeInstruction instruction = _instructions[_counted[ordinal]];
            string text = Text(instruction, out string? name);
            text = LinkRelaxation.CommonForm(instruction.Instruction.Decoded, text) ?? text;
            Append(shape, text, buffer);
            sketch[ordinal] = CodeSketch.Element(text, instruction.Instruction.Decoded);
            if (name is null)
                continue;
            Append(names, ordinal.ToString(CultureInfo.InvariantCulture), buffer);
            Append(names, name, buffer);
        }
        uint upper = (uint)shape.GetCurrentHashAsUInt64();
        uint lower = (uint)names.GetCurrentHashAsUInt64();
        _fingerprint = new Fingerprint(((ulong)upper << 32) | lower);
        _sketch = new CodeSketch(sketch);
    }

    private static void Append(XxHash3 hash, string text, Span<byte> buffer)
    {
        int length = Encoding.UTF8.TryGetBytes(text, buffer, out int written) ? written : -1;
        hash.Append(length >= 0 ? buffer[..length] : Encoding.UTF8.GetBytes(text));
        hash.Append("\n"u8);
    }

    // The text with "?" for a direct branch out of the function, and beside it the target's name.
    private string Text(in CodeInstruction instruction, out string? name)
    {
        name = null;
        Instruction decoded = instruction.Instruction.Decoded;
        ConstantOffsets constants = instruction.Constants;
        string? branch = null;
        if (!decoded.IsInvalid && IsNearBranch(decoded))
        {
            ulong? inside = InsideTarget(instruction.ReferenceOffset, decoded, constants, out name);
            if (inside is { } target)
                branch = Label((int)(target - Address));
            else if (name is not null && Thunks.Replace(name, decoded) is { } direct)
            {
                name = null;
                return direct;
            }
            else
            {
                // A name is what calls and jumps out of the function have; conditions and prefixes stay in the text before it.
                name ??= Unnamed;
                branch = Unnamed;
            }
        }
        return InstructionText.Current.Format(decoded, constants,
            IsDisplacementRelocated(_references, instruction.ReferenceOffset, constants),
            constants.HasImmediate && Reference(_references, instruction.ReferenceOffset + constants.ImmediateOffset, constants.ImmediateSize) is not null,
            branch);
    }

    private string Label(int offset)
    {
        int index = IndexAt(offset);
        if (index < 0)
            return $".{Next(~index)}!"; // inside an instruction: behind a lock prefix, say
        return $".{Next(index)}";
    }

    private int Next(int index)
    {
        // A NOP at a branch's target is passed over: padding moves, the instruction behind it is what is meant.
        while (index < _instructions.Length && !_instructions[index].IsCounted)
            index++;
        return index < _instructions.Length ? _instructions[index].Ordinal : _counted.Length;
    }

    private ulong? InsideTarget(int offset, in Instruction decoded, in ConstantOffsets constants, out string? name)
    {
        CodeReference? reference = Reference(_references, offset + constants.ImmediateOffset, constants.ImmediateSize);
        ulong? target = reference is { } found ? found.Target : decoded.NearBranchTarget;
        name = null;
        if (target is { } inside && inside - Address < (ulong)_source.Code.Length)
            return inside;
        name = BranchName(_source, _references, offset, decoded, constants);
        return name == Name ? Address : null;
    }

    private static bool IsNearBranch(in Instruction instruction) =>
        instruction.OpCount > 0 && instruction.Op0Kind is OpKind.NearBranch16 or OpKind.NearBranch32 or OpKind.NearBranch64;

    private static string? BranchName(FunctionBytes source, CodeReference[] references, int offset, in Instruction instruction, in ConstantOffsets constants)
    {
        if (!IsNearBranch(instruction))
            return null;
        return Reference(references, offset + constants.ImmediateOffset, constants.ImmediateSize) is { } reference
            ? reference.Name
            : source.NameOf?.Invoke(instruction.NearBranchTarget);
    }

    private static bool IsDisplacementRelocated(CodeReference[] references, int offset, in ConstantOffsets constants) =>
        constants.HasDisplacement && Reference(references, offset + constants.DisplacementOffset, constants.DisplacementSize) is not null;

    private static CodeReference? Reference(CodeReference[] references, int offset, int size)
    {
        int low = 0, high = references.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (references[middle].Offset < offset)
                low = middle + 1;
            else
                high = middle;
        }
        return low < references.Length && references[low].Offset < offset + size ? references[low] : null;
    }
}
