using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Reheat.Agent.Kvm;

/// <summary>At most 15 bytes of an instruction, without an object.</summary>
internal readonly record struct InstructionBytes(ulong Low, ulong High)
{
    private const int MaxLength = 15;

    /// <summary>Number of bytes: it stands where a sixteenth byte would.</summary>
    public int Length => (int)(High >> 56);

    /// <summary>True for the same bytes.</summary>
    public bool Is(in InstructionBytes other) => Low == other.Low && High == other.High;

    /// <summary>The bytes.</summary>
    [UnscopedRef]
    public ReadOnlySpan<byte> Span => MemoryMarshal.AsBytes(MemoryMarshal.CreateReadOnlySpan(in Unsafe.AsRef(in this), 1))[..Length];

    /// <summary>Reads so many pairs of hex digits, each followed by a comma or more; fewer if something else stands there.</summary>
    public static InstructionBytes ReadList(ReadOnlySpan<byte> text, int count)
    {
        Span<byte> list = stackalloc byte[3 * MaxLength];
        int length = 0;
        for (int at = 0; length < count && at + 2 <= text.Length; length++, at += 4) // "0f, 0b, …"
        {
            text.Slice(at, 2).CopyTo(list[(3 * length)..]);
            list[(3 * length) + 2] = (byte)' ';
        }
        return Read(list[..(3 * length)]);
    }

    /// <summary>Reads pairs of hex digits, each followed by a space or the end; what follows that is none is left.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static InstructionBytes Read(ReadOnlySpan<byte> text)
    {
        ulong low = 0, high = 0;
        int length = 0;
        int i = 0;
        while (length < MaxLength)
        {
            while (i < text.Length && text[i] == ' ')
                i++;
            if (i + 2 > text.Length || (i + 2 < text.Length && text[i + 2] != ' '))
                break;
            int byteValue = (Hex.Digit(text[i]) << 4) | Hex.Digit(text[i + 1]);
            if (byteValue < 0)
                break;
            if (length < 8)
                low |= (ulong)byteValue << (8 * length);
            else
                high |= (ulong)byteValue << (8 * (length - 8));
            length++;
            i += 2;
        }
        return new InstructionBytes(low, high | ((ulong)length << 56));
    }
}
