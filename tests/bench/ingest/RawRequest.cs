using System.Buffers;
using System.IO.Hashing;
using Google.Protobuf;
using Grpc.Core;
using Reheat.V1;

namespace Reheat.IngestBench;

/// <summary>A request whose columns are encoded already.</summary>
internal sealed class RawRequest
{
    public static readonly Method<RawRequest, IngestResponse> Ingest = new(
        MethodType.DuplexStreaming, TraceIngest.Descriptor.FullName, "Ingest",
        new Marshaller<RawRequest>((r, context) => r.Write(context), _ => throw new NotSupportedException()),
        Marshallers.Create(MessageExtensions.ToByteArray, static bytes => IngestResponse.Parser.ParseFrom(bytes)));

    public Hello? Hello { get; init; }

    public SiteBytes? SiteBytes { get; init; }

    public ulong From { get; init; }

    public ulong To { get; init; }

    /// <summary>Encoded fields of the batch.</summary>
    public byte[] Columns { get; init; } = [];

    /// <summary>More of them.</summary>
    public byte[] Dictionary { get; init; } = [];

    /// <summary>Bytes of the message, known once it was written.</summary>
    public int Size { get; private set; }

    private void Write(SerializationContext context)
    {
        IngestRequest? whole = Hello is not null ? new IngestRequest { Hello = Hello } : SiteBytes is not null ? new IngestRequest { SiteBytes = SiteBytes } : null;
        byte[] head = ((IMessage?)whole ?? new Batch { From = From, To = To }).ToByteArray();
        if (whole is not null)
        {
            byte[] bytes = MessageChecksum.Encode(whole);
            context.SetPayloadLength(Size = bytes.Length);
            context.GetBufferWriter().Write(bytes);
            context.Complete();
            return;
        }
        int inner = head.Length + Dictionary.Length + Columns.Length;
        int frame = 1 + CodedOutputStream.ComputeLengthSize(inner);
        Span<byte> front = stackalloc byte[frame];
        front[0] = (2 << 3) | 2;
        uint left = (uint)inner;
        for (int i = 1; i < frame; i++, left >>= 7)
            front[i] = (byte)(left > 0x7f ? (left & 0x7f) | 0x80 : left);
        context.SetPayloadLength(Size = frame + inner + MessageChecksum.Bytes);
        IBufferWriter<byte> writer = context.GetBufferWriter();
        writer.Write(front);
        writer.Write(head);
        writer.Write(Dictionary);
        writer.Write(Columns);
        var crc = new Crc32();
        crc.Append(front);
        crc.Append(head);
        crc.Append(Dictionary);
        crc.Append(Columns);
        Span<byte> field = stackalloc byte[MessageChecksum.Bytes];
        MessageChecksum.Write(field, crc.GetCurrentHashAsUInt32());
        writer.Write(field);
        context.Complete();
    }
}
