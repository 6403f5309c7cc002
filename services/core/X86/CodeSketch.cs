using System.Globalization;
using System.IO.Hashing;
using System.Text;
using Iced.Intel;

namespace Reheat.Core.X86;

/// <summary>
/// A function in 16 bits an instruction, enough to align it with a changed version of itself without keeping its code: the upper
/// byte hashes the normalised text (a strict match), the lower byte the mnemonic and kinds of operands (a loose one).
/// </summary>
public sealed class CodeSketch : IEquatable<CodeSketch>
{
    private readonly ushort[] _elements;

    internal CodeSketch(ushort[] elements) => _elements = elements;

    /// <summary>A sketch of no instructions.</summary>
    public static CodeSketch Empty { get; } = new([]);

    /// <summary>One element per ordinal.</summary>
    public ReadOnlySpan<ushort> Elements => _elements;

    /// <summary>True if two elements agree strictly: most likely the same normalised instruction.</summary>
    public static bool Strict(ushort a, ushort b) => a == b;

    /// <summary>True if two elements agree loosely: most likely the same mnemonic with the same kinds of operands.</summary>
    public static bool Loose(ushort a, ushort b) => (byte)a == (byte)b;

    /// <inheritdoc/>
    public bool Equals(CodeSketch? other) => other is not null && _elements.AsSpan().SequenceEqual(other._elements);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as CodeSketch);

    /// <inheritdoc/>
    public override int GetHashCode() => _elements.Length == 0 ? 0 : HashCode.Combine(_elements.Length, _elements[0], _elements[^1]);

    /// <summary>Four hex digits an instruction.</summary>
    public override string ToString()
    {
        var text = new StringBuilder(_elements.Length * 4);
        foreach (ushort element in _elements)
            text.Append(CultureInfo.InvariantCulture, $"{element:x4}");
        return text.ToString();
    }

    /// <summary>Reads what <see cref="ToString"/> writes, and nothing else.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out CodeSketch sketch)
    {
        sketch = Empty;
        if (text.Length % 4 != 0 || text.ContainsAnyExcept(LowerHex.Digits))
            return false;
        var elements = new ushort[text.Length / 4];
        for (int i = 0; i < elements.Length; i++)
            elements[i] = ushort.Parse(text.Slice(i * 4, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        sketch = new CodeSketch(elements);
        return true;
    }

    internal static ushort Element(string text, in Instruction instruction)
    {
        Span<byte> loose = stackalloc byte[8];
        int length = 0;
        loose[length++] = (byte)((int)instruction.Mnemonic >> 8);
        loose[length++] = (byte)instruction.Mnemonic;
        for (int i = 0; i < instruction.OpCount && length < loose.Length; i++)
        {
            loose[length++] = instruction.GetOpKind(i) switch
            {
                OpKind.Register => (byte)'r',
                OpKind.Memory => (byte)'m',
                >= OpKind.NearBranch16 and <= OpKind.FarBranch32 => (byte)'b',
                >= OpKind.Immediate8 and <= OpKind.Immediate32to64 => (byte)'i',
                _ => (byte)'s',
            };
        }
        byte lower = (byte)XxHash3.HashToUInt64(loose[..length]);
        byte upper = (byte)XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(text));
        return (ushort)((upper << 8) | lower);
    }
}
