using System.Numerics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Google.Protobuf;

namespace Reheat.Collector.Ingest.Wire;

/// <summary>A packed column of numbers, not decoded. At least 7 bytes can be read behind it.</summary>
internal readonly struct WireColumn
{
    private const int MaxVarintBytes = 10;

    private readonly byte[]? _bytes;
    private readonly int _start;

    private readonly bool _hasLong;

    public WireColumn(byte[] bytes, int start, int length)
    {
        _bytes = bytes;
        _start = start;
        Length = length;
        (Rows, _hasLong) = Ends(bytes.AsSpan(start, length));
    }

    /// <summary>Bytes.</summary>
    public int Length { get; }

    /// <summary>Numbers.</summary>
    public int Rows { get; }

    /// <summary>True if there are none.</summary>
    public bool IsEmpty => Length == 0;

    /// <summary>False if the last number is not all there, or one is longer than a varint can be.</summary>
    public bool IsWhole
    {
        get
        {
            if (Length == 0)
                return true;
            ReadOnlySpan<byte> bytes = Bytes;
            if (bytes[^1] >= 0x80)
                return false;
            if (!_hasLong)
                return true;
            int since = 0;
            foreach (byte b in bytes)
            {
                since = b >= 0x80 ? since + 1 : 0;
                if (since >= MaxVarintBytes)
                    return false;
            }
            return true;
        }
    }

    private ReadOnlySpan<byte> Bytes => _bytes.AsSpan(_start, Length);

    /// <summary>The first byte; <see cref="Length"/> of them and some behind them may be read.</summary>
    public ref readonly byte First => ref MemoryMarshal.GetReference(_bytes.AsSpan(_start, Length + sizeof(ulong) - 1));

    /// <summary>Packs numbers.</summary>
    public static WireColumn Of(IEnumerable<ulong> numbers)
    {
        using var buffer = new MemoryStream();
        using (var output = new CodedOutputStream(buffer, leaveOpen: true))
        {
            foreach (ulong number in numbers)
                output.WriteUInt64(number);
        }
        int length = (int)buffer.Length;
        buffer.Write(new byte[sizeof(ulong)]);
        return new WireColumn(buffer.ToArray(), 0, length);
    }

    /// <summary>The numbers one after another.</summary>
    public Cursor Read() => new(Bytes);

    // A number ends at each byte without the high bit. Where no two bytes with it follow each other none has more than two, which is so of most columns.
    private static (int Rows, bool HasLong) Ends(ReadOnlySpan<byte> bytes)
    {
        int rows = bytes.Length;
        uint together = 0, before = 0;
        for (; bytes.Length >= Vector256<byte>.Count; bytes = bytes[Vector256<byte>.Count..])
        {
            uint continued = Vector256.Create(bytes).ExtractMostSignificantBits();
            rows -= BitOperations.PopCount(continued);
            together |= continued & ((continued << 1) | before);
            before = continued >> 31;
        }
        foreach (byte b in bytes)
        {
            uint continued = (uint)b >> 7;
            rows -= (int)continued;
            together |= continued & before;
            before = continued;
        }
        return (rows, together != 0);
    }

    /// <summary>Reads a column that <see cref="IsWhole"/>.</summary>
    public ref struct Cursor(ReadOnlySpan<byte> bytes)
    {
        private ReadOnlySpan<byte> _rest = bytes;

        /// <summary>How far it has come in a column of this length.</summary>
        public readonly int Position(int length) => length - _rest.Length;

        /// <summary>The next number.</summary>
        public ulong Next()
        {
            ulong number = 0;
            int i = 0;
            byte next;
            do
            {
                next = _rest[i];
                number |= (ulong)(next & 0x7f) << (7 * i++);
            }
            while (next >= 0x80);
            _rest = _rest[i..];
            return number;
        }
    }
}
