using System.Buffers.Binary;

namespace Reheat.Core.Elf;

/// <summary>
/// Reads little-endian numbers and LEB128 from bytes that may end anywhere. Past the end everything reads as 0 and
/// <see cref="IsBroken"/> stays set, so that callers check once, not at every number.
/// </summary>
internal ref struct LebReader(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    /// <summary>Where the next read begins.</summary>
    public int Position { get; private set; }

    /// <summary>Something did not fit.</summary>
    public bool IsBroken { get; private set; }

    public readonly bool IsAtEnd => !IsBroken && Position >= _bytes.Length;

    public readonly int Remaining => _bytes.Length - Position;

    /// <summary>Gives up: what follows cannot be found.</summary>
    public void Break() => IsBroken = true;

    /// <summary>Goes to an offset; broken if it is outside.</summary>
    public void Seek(ulong offset)
    {
        if (offset > (ulong)_bytes.Length)
            IsBroken = true;
        else
            Position = (int)offset;
    }

    public void Skip(ulong count) => Take(count);

    public byte Byte() => Take(1) is [var value] ? value : (byte)0;

    public ushort UInt16() => Take(2) is { Length: 2 } b ? BinaryPrimitives.ReadUInt16LittleEndian(b) : (ushort)0;

    public uint UInt24() => Take(3) is { Length: 3 } b ? b[0] | ((uint)b[1] << 8) | ((uint)b[2] << 16) : 0;

    public uint UInt32() => Take(4) is { Length: 4 } b ? BinaryPrimitives.ReadUInt32LittleEndian(b) : 0;

    public ulong UInt64() => Take(8) is { Length: 8 } b ? BinaryPrimitives.ReadUInt64LittleEndian(b) : 0;

    /// <summary>An address of 1, 2, 4 or 8 bytes; broken for another size.</summary>
    public ulong Address(int size)
    {
        switch (size)
        {
            case 1:
                return Byte();
            case 2:
                return UInt16();
            case 4:
                return UInt32();
            case 8:
                return UInt64();
            default:
                IsBroken = true;
                return 0;
        }
    }

    /// <summary>Unsigned LEB128; bits beyond 64 are dropped.</summary>
    public ulong Unsigned()
    {
        ulong value = 0;
        for (int shift = 0; ; shift += 7)
        {
            byte b = Byte();
            if (shift < 64)
                value |= (ulong)(b & 0x7f) << shift;
            if ((b & 0x80) == 0 || IsBroken)
                return value;
        }
    }

    /// <summary>Signed LEB128; bits beyond 64 are dropped.</summary>
    public long Signed()
    {
        long value = 0;
        for (int shift = 0; ;)
        {
            byte b = Byte();
            if (shift < 64)
                value |= (long)(b & 0x7f) << shift;
            shift += 7;
            if ((b & 0x80) == 0 || IsBroken)
                return shift < 64 && (b & 0x40) != 0 ? value | (-1L << shift) : value;
        }
    }

    /// <summary>A NUL-terminated string, without the NUL.</summary>
    public ReadOnlySpan<byte> String()
    {
        ReadOnlySpan<byte> rest = _bytes[Position..];
        int end = rest.IndexOf((byte)0);
        if (end < 0)
        {
            IsBroken = true;
            return [];
        }
        Position += end + 1;
        return rest[..end];
    }

    /// <summary>The next bytes; empty and broken if there are fewer.</summary>
    public ReadOnlySpan<byte> Take(ulong count)
    {
        if (IsBroken || count > (ulong)(_bytes.Length - Position))
        {
            IsBroken = true;
            return [];
        }
        ReadOnlySpan<byte> taken = _bytes.Slice(Position, (int)count);
        Position += (int)count;
        return taken;
    }
}
