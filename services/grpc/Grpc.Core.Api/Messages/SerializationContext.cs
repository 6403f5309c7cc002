using System.Buffers;

namespace Grpc.Core;

/// <summary>
/// Takes a serialized message: either one array by <see cref="Complete(byte[])"/>, or bytes written to
/// <see cref="GetBufferWriter"/> and closed by <see cref="Complete()"/>.
/// </summary>
public abstract class SerializationContext
{
    /// <summary>Gives the message as one array and ends the serialization.</summary>
    public virtual void Complete(byte[] payload) => throw new NotImplementedException();

    /// <summary>The writer of the message's bytes.</summary>
    public virtual IBufferWriter<byte> GetBufferWriter() => throw new NotImplementedException();

    /// <summary>Announces the length in bytes, so that the message can be written to the transport directly.</summary>
    public virtual void SetPayloadLength(int payloadLength) => throw new NotImplementedException();

    /// <summary>Ends a serialization into <see cref="GetBufferWriter"/>.</summary>
    public virtual void Complete() => throw new NotImplementedException();
}
