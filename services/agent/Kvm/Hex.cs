namespace Reheat.Agent.Kvm;

/// <summary>Numbers at the beginning of a text; what they are read from is advanced past them.</summary>
internal static class Hex
{
    private const byte None = 0xff;

    private static ReadOnlySpan<byte> Digits => Table;

    private static readonly byte[] Table = MakeTable();

    /// <summary>Hexadecimal, with or without <c>0x</c>; at most 64 bits.</summary>
    public static bool TryRead(ref ReadOnlySpan<byte> text, out ulong number)
    {
        number = 0;
        ReadOnlySpan<byte> digits = Digits;
        int i = text.Length > 2 && text[0] == '0' && text[1] == 'x' ? 2 : 0;
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
    public static bool TryReadDecimal(ref ReadOnlySpan<byte> text, out uint number)
    {
        bool read = TryReadDecimal(ref text, out ulong wide) && wide <= uint.MaxValue;
        number = read ? (uint)wide : 0;
        return read;
    }

    /// <summary>Decimal, below 2^60.</summary>
    public static bool TryReadDecimal(ref ReadOnlySpan<byte> text, out ulong number)
    {
        number = 0;
        int i = 0;
        for (; i < text.Length && text[i] is >= (byte)'0' and <= (byte)'9'; i++)
        {
            if (number > (1UL << 60) / 10)
                return false;
            number = (number * 10) + (uint)(text[i] - '0');
        }
        if (i == 0)
            return false;
        text = text[i..];
        return true;
    }

    /// <summary>The value of a digit, or -1.</summary>
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
