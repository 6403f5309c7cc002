using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Reheat.Agent.Kvm;

/// <summary>Numbers at the beginning of a text; what they are read from is advanced past them.</summary>
internal static class Hex
{
    private const byte None = 0xff;

    private static ReadOnlySpan<byte> Digits => Table;

    private static readonly byte[] Table = MakeTable();

    /// <summary>Hexadecimal, with or without <c>0x</c>; at most 64 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool TryRead(ref ReadOnlySpan<byte> text, out ulong number)
    {
        int i = text.Length > 2 && text[0] == '0' && text[1] == 'x' ? 2 : 0;
        if (text.Length - i > Vector128<byte>.Count)
        {
            int count = ReadAtOnce(text[i..], out number);
            // Sixteen: there may be more, which are leading zeros or too many.
            if (count < Vector128<byte>.Count)
            {
                text = text[(i + count)..];
                return count > 0;
            }
        }
        return TryReadSingly(ref text, i, out number);
    }

    /// <summary>The digits among the first 16 bytes, up to the first that is none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int ReadAtOnce(ReadOnlySpan<byte> text, out ulong number)
    {
        Vector128<byte> bytes = Vector128.Create(text);
        Vector128<byte> digits = bytes - Vector128.Create((byte)'0');
        Vector128<byte> letters = (bytes | Vector128.Create((byte)0x20)) - Vector128.Create((byte)'a');
        Vector128<byte> isDigit = Vector128.LessThan(digits, Vector128.Create((byte)10));
        Vector128<byte> isLetter = Vector128.LessThan(letters, Vector128.Create((byte)6));
        int count = BitOperations.TrailingZeroCount(~(isDigit | isLetter).ExtractMostSignificantBits());
        // What is no digit must not reach into its neighbour.
        Vector128<byte> nibbles = Vector128.ConditionalSelect(isDigit, digits, letters + Vector128.Create((byte)10)) & Vector128.Create((byte)0xf);
        Vector128<ulong> values = nibbles.AsUInt64();
        number = ((ulong)Packed(values[0]) << 32) | Packed(values[1]);
        number = count == 0 ? 0 : number >> (64 - (4 * count));
        return count;
    }

    /// <summary>Eight digits, a byte each, the first the highest.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Packed(ulong digits)
    {
        digits = BinaryPrimitives.ReverseEndianness(digits);
        digits = (digits | (digits >> 4)) & 0x00ff_00ff_00ff_00ff;
        digits = (digits | (digits >> 8)) & 0x0000_ffff_0000_ffff;
        return (uint)(digits | (digits >> 16));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool TryReadSingly(ref ReadOnlySpan<byte> text, int i, out ulong number)
    {
        number = 0;
        ReadOnlySpan<byte> digits = Digits;
        int first = i;
        for (; i < text.Length && digits[text[i]] is var digit && digit != None; i++)
        {
            if (number >> 60 != 0)
                return false;
            number = (number << 4) | digit;
        }
        if (i == first)
            return false;
        text = text[i..];
        return true;
    }

    /// <summary>Decimal, below 2^32.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static bool TryReadDecimal(ref ReadOnlySpan<byte> text, out uint number)
    {
        bool read = TryReadDecimal(ref text, out ulong wide) && wide <= uint.MaxValue;
        number = read ? (uint)wide : 0;
        return read;
    }

    /// <summary>Decimal; at most 64 bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool TryReadDecimal(ref ReadOnlySpan<byte> text, out ulong number)
    {
        number = 0;
        int i = 0;
        for (; i < text.Length && text[i] is >= (byte)'0' and <= (byte)'9'; i++)
        {
            uint digit = (uint)(text[i] - '0');
            if (number >= ulong.MaxValue / 10 && (number > ulong.MaxValue / 10 || digit > ulong.MaxValue % 10))
                return false;
            number = (number * 10) + digit;
        }
        if (i == 0)
            return false;
        text = text[i..];
        return true;
    }

    /// <summary>The value of a digit, or -1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Digit(byte character) => Digits[character] is var digit && digit == None ? -1 : digit;

    private static byte[] MakeTable()
    {
        var table = new byte[256];
        Array.Fill(table, None);
        for (int digit = 0; digit < 16; digit++)
        {
            table["0123456789abcdef"[digit]] = (byte)digit;
            table["0123456789ABCDEF"[digit]] = (byte)digit;
        }
        return table;
    }
}
