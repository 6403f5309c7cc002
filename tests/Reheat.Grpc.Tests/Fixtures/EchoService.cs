using Google.Protobuf;
using Grpc.Core;
using Reheat.Grpc.Tests.Protos;

namespace Reheat.Grpc.Tests.Fixtures;

/// <summary>What the echo service saw.</summary>
internal sealed class EchoState
{
    private int _cancelled;

    /// <summary>Calls that were cancelled while being served.</summary>
    public int Cancelled => Volatile.Read(ref _cancelled);

    public void CountCancelled() => Interlocked.Increment(ref _cancelled);
}

internal sealed class EchoService(EchoState state) : Echo.EchoBase
{
    public override async Task<EchoReply> Unary(EchoRequest request, ServerCallContext context)
    {
        await SendHeaders(context);
        try
        {
            await Task.Delay(request.DelayMs, context.CancellationToken);
        }
        catch (OperationCanceledException)
        {
            state.CountCancelled();
            throw;
        }
        if (request.FailDetail == "throw")
            throw new InvalidOperationException("a handler failed on purpose");
        ThrowIfAsked(request);
        foreach (Metadata.Entry header in Own(context))
            context.ResponseTrailers.Add(Renamed("t-" + header.Key, header));
        context.ResponseTrailers.Add("t-encoding", context.GetHttpContext().Request.Headers["grpc-encoding"].ToString());
        return Reply(request, 0);
    }

    public override async Task ServerStream(EchoRequest request, IServerStreamWriter<EchoReply> responseStream, ServerCallContext context)
    {
        try
        {
            for (int i = 0; i != request.Count; i++)
            {
                await responseStream.WriteAsync(Reply(request, i), context.CancellationToken);
                if (request.Count < 0)
                    await Task.Delay(2, context.CancellationToken);
            }
        }
        catch (OperationCanceledException)
        {
            state.CountCancelled();
            throw;
        }
        ThrowIfAsked(request);
    }

    public override async Task<EchoReply> ClientStream(IAsyncStreamReader<EchoRequest> requestStream, ServerCallContext context)
    {
        var texts = new List<string>();
        long total = 0;
        await foreach (EchoRequest request in requestStream.ReadAllAsync(context.CancellationToken))
        {
            texts.Add(request.Text);
            total += request.Payload.Length;
        }
        return new EchoReply { Text = string.Join(',', texts), TotalBytes = total };
    }

    public override async Task Duplex(
        IAsyncStreamReader<EchoRequest> requestStream, IServerStreamWriter<EchoReply> responseStream, ServerCallContext context)
    {
        int index = 0;
        await foreach (EchoRequest request in requestStream.ReadAllAsync(context.CancellationToken))
        {
            ThrowIfAsked(request);
            await responseStream.WriteAsync(Reply(request, index++), context.CancellationToken);
        }
    }

    private static EchoReply Reply(EchoRequest request, int index) => new()
    {
        Text = request.Text,
        Payload = request.ReplyBytes > 0 ? ByteString.CopyFrom(new byte[request.ReplyBytes]) : request.Payload,
        Index = index,
        TotalBytes = request.Payload.Length,
    };

    private static void ThrowIfAsked(EchoRequest request)
    {
        if (request.FailCode == 0)
            return;
        var trailers = new Metadata { { "fail-text", "why" }, { "fail-bytes-bin", [0, 255, 10] } };
        throw new RpcException(new Status((StatusCode)request.FailCode, request.FailDetail), trailers);
    }

    private static Task SendHeaders(ServerCallContext context)
    {
        var headers = new Metadata();
        foreach (Metadata.Entry header in Own(context))
            headers.Add(header);
        return context.WriteResponseHeadersAsync(headers);
    }

    private static IEnumerable<Metadata.Entry> Own(ServerCallContext context) =>
        context.RequestHeaders.Where(h => h.Key.StartsWith("x-", StringComparison.Ordinal));

    private static Metadata.Entry Renamed(string key, Metadata.Entry entry) =>
        entry.IsBinary ? new Metadata.Entry(key, entry.ValueBytes) : new Metadata.Entry(key, entry.Value);
}
