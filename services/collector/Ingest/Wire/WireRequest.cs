using System.Buffers;
using Google.Protobuf;
using Grpc.Core;
using Reheat.V1;
using Case = Reheat.V1.IngestRequest.MessageOneofCase;

namespace Reheat.Collector.Ingest.Wire;

/// <summary>
/// A request as it is read from the wire. Columns of a batch stay in the bytes that they came in: they are folded from there, and a list of numbers in between
/// would cost more than the folding. Whoever takes a request disposes of it.
/// </summary>
internal sealed class WireRequest : IDisposable
{
    private const byte BatchTag = (2 << 3) | 2;

    // Columns are read some bytes at a time: what stands behind them is read too, and not looked at.
    private const int Slack = sizeof(ulong);

    private byte[] _bytes = [];
    private int _length;

    private WireRequest()
    {
    }

    /// <summary>True if it carries a checksum, and the right one.</summary>
    public bool IsAsItWasSent => MessageChecksum.IsRight(_bytes.AsSpan(0, _length));

    /// <summary>True if it is a hello with a checksum, whatever it says of the requests that follow: what it says may be what was changed.</summary>
    public bool HelloHasChecksum { get; private set; }

    /// <summary>What it is.</summary>
    public Case Case { get; private set; }

    /// <summary>Set if it is a hello.</summary>
    public Hello? Hello { get; private set; }

    /// <summary>Set if it is a batch.</summary>
    public WireBatch? Batch { get; private set; }

    /// <summary>Set if it holds instruction bytes.</summary>
    public SiteBytes? SiteBytes { get; private set; }

    /// <summary>Reads a message.</summary>
    /// <exception cref="InvalidProtocolBufferException">It is none.</exception>
    public static WireRequest Read(DeserializationContext context) => Read(context.PayloadAsReadOnlySequence());

    /// <summary>Reads a message.</summary>
    /// <exception cref="InvalidProtocolBufferException">It is none.</exception>
    public static WireRequest Read(in ReadOnlySequence<byte> message)
    {
        int length = checked((int)message.Length);
        byte[] bytes = ArrayPool<byte>.Shared.Rent(length + Slack);
        message.CopyTo(bytes);
        var request = new WireRequest { _bytes = bytes, _length = length };
        try
        {
            if (length > 0 && bytes[0] == BatchTag && WireBatch.TryRead(bytes, 1, length) is { } batch)
                (request.Case, request.Batch) = (Case.Batch, batch);
            else
                request.Take(IngestRequest.Parser.ParseFrom(bytes, 0, length));
            return request;
        }
        catch
        {
            request.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_bytes.Length > 0)
            ArrayPool<byte>.Shared.Return(_bytes);
        _bytes = [];
        // The stream's reader holds its last request until the next one comes, which is long where ten thousand streams are quiet.
        Batch?.Forget();
        (Hello, Batch, SiteBytes) = (null, null, null);
    }

    // What is not laid out as every known writer does it: fields in pieces, fields of a newer version.
    private void Take(IngestRequest parsed)
    {
        Case = parsed.MessageCase;
        Hello = parsed.Hello;
        HelloHasChecksum = parsed is { Hello: not null, Crc32: not 0 };
        SiteBytes = parsed.SiteBytes;
        Batch = parsed.Batch is { } batch ? WireBatch.Of(batch) : null;
    }
}
