using System.Buffers;

namespace Grpc.Core;

/// <summary>Collects a message in an array, for callers of a contextual marshaller's simple form.</summary>
internal sealed class ArraySerializationContext : SerializationContext
{
    private readonly ArrayBufferWriter<byte> _writer = new();
    private byte[]? _payload;

    public byte[] Payload => _payload ?? throw new InvalidOperationException("the serializer did not complete its message");

    public override void Complete(byte[] payload)
    {
        if (_payload is not null)
            throw new InvalidOperationException("the serializer completed its message twice");
        _payload = payload;
    }

    public override IBufferWriter<byte> GetBufferWriter() => _writer;

    public override void SetPayloadLength(int payloadLength)
    {
        // The array grows as needed; the announced length is of use to transports only.
    }

    public override void Complete() => Complete(_writer.WrittenSpan.ToArray());
}

/// <summary>Gives an array to a contextual deserializer.</summary>
internal sealed class ArrayDeserializationContext(byte[] payload) : DeserializationContext
{
    public override int PayloadLength => payload.Length;

    public override byte[] PayloadAsNewBuffer() => [.. payload];

    public override ReadOnlySequence<byte> PayloadAsReadOnlySequence() => new(payload);
}
