using System.Buffers.Binary;
using System.IO.Hashing;
using Google.Protobuf;

namespace Reheat.V1;

/// <summary>The field <c>crc32</c> of <see cref="IngestRequest"/> and <see cref="IngestResponse"/>: the last five bytes of the message.</summary>
public static class MessageChecksum
{
    /// <summary>Bytes that it adds.</summary>
    public const int Bytes = 5;

    private const byte Tag = (IngestRequest.Crc32FieldNumber << 3) | 5; // fixed32

    /// <summary>Encodes a message that has no checksum yet, with it.</summary>
    public static byte[] Encode(IMessage message)
    {
        int length = message.CalculateSize();
        byte[] bytes = new byte[length + Bytes];
        message.WriteTo(bytes.AsSpan(0, length));
        Write(bytes.AsSpan(length), Crc32.HashToUInt32(bytes.AsSpan(0, length)));
        return bytes;
    }

    /// <summary>Writes the field.</summary>
    public static void Write(Span<byte> to, uint crc)
    {
        to[0] = Tag;
        BinaryPrimitives.WriteUInt32LittleEndian(to[1..], crc);
    }

    /// <summary>True if the message carries a checksum.</summary>
    public static bool IsThere(ReadOnlySpan<byte> message) => message.Length >= Bytes && message[^Bytes] == Tag;

    /// <summary>True if the checksum that a message carries is its own.</summary>
    public static bool IsRight(ReadOnlySpan<byte> message) =>
        IsThere(message) && Crc32.HashToUInt32(message[..^Bytes]) == BinaryPrimitives.ReadUInt32LittleEndian(message[^4..]);
}
