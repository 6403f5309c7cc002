using System.Buffers;

namespace Reheat.Core.Elf;

/// <summary>Writes bytes and unsigned LEB128 numbers.</summary>
internal sealed class LebWriter
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    public void Byte(byte value) => Bytes([value]);

    public void Bytes(ReadOnlySpan<byte> bytes) => _bytes.Write(bytes);

    public void Unsigned(ulong value)
    {
        while (value >= 0x80)
        {
            Byte((byte)(value | 0x80));
            value >>= 7;
        }
        Byte((byte)value);
    }

    public byte[] ToArray() => _bytes.WrittenSpan.ToArray();
}
