using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Reheat.V1;

namespace Reheat.Loop.Tests.Fixtures;

/// <summary>A client of the ingest stream that says exactly what a test tells it.</summary>
internal sealed class RawStream : IDisposable
{
    public const long Epoch = 0x1234;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly GrpcChannel _channel;
    private readonly AsyncDuplexStreamingCall<IngestRequest, IngestResponse> _call;
    private readonly CancellationTokenSource _patience = new(Patience);
    private readonly Dictionary<ulong, uint> _sites = [];

    private RawStream(Uri collector, string? token)
    {
        _channel = GrpcChannel.ForAddress(collector);
        _call = new TraceIngest.TraceIngestClient(_channel).Ingest(token is null ? null : new Metadata { { "authorization", $"Bearer {token}" } }, cancellationToken: _patience.Token);
    }

    public Welcome Welcome { get; private set; } = new();

    /// <summary>The image that <see cref="Hello"/> names.</summary>
    public static byte[] BuildId { get; } = [.. Enumerable.Range(1, 20).Select(i => (byte)i)];

    public static Hello Hello(string wedge, Action<Hello>? change = null)
    {
        var hello = new Hello
        {
            Wedge = wedge,
            Kind = "raw",
            Version = "1",
            Host = "host",
            Guest = "guest",
            Epoch = Epoch,
            EpochUnixNs = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1_000_000,
            Agent = 7,
            Rings = { 0 },
            Images = { new LoadedImage { BuildId = ByteString.CopyFrom(BuildId), Name = "vmlinux" } },
        };
        change?.Invoke(hello);
        return hello;
    }

    /// <summary>Opens a stream whose first request is not a hello.</summary>
    public static async Task<RawStream> OpenWithAsync(Uri collector, IngestRequest first, string? token = null)
    {
        var stream = new RawStream(collector, token);
        await stream.SendAsync(first);
        return stream;
    }

    public static async Task<RawStream> OpenAsync(Uri collector, Hello hello, string? token = null)
    {
        RawStream stream = await OpenWithAsync(collector, new IngestRequest { Hello = hello }, token);
        stream.Welcome = (await stream.NextAsync()).Welcome;
        return stream;
    }

    /// <summary>Opens a stream that is refused; returns why.</summary>
    public static async Task<Status> RefusedAsync(Uri collector, Hello hello, string? token = null)
    {
        using RawStream stream = await OpenWithAsync(collector, new IngestRequest { Hello = hello }, token);
        return await stream.EndAsync();
    }

    /// <summary>A batch of writes of 4 bytes to the lapic; sites that the stream has not named yet are named in it.</summary>
    public Batch Batch(ulong from, ulong to, params (ulong Address, ulong Traps)[] rows)
    {
        var batch = new Batch { From = from, To = to };
        var columns = new SiteColumns();
        ulong last = 0;
        foreach ((ulong address, ulong traps) in rows)
        {
            if (!_sites.TryGetValue(address, out uint index))
            {
                if (_sites.Count == 0)
                    columns.NewKinds.Add(Kind());
                index = (uint)_sites.Count;
                _sites.Add(address, index);
                columns.AddressDelta.Add(unchecked((long)(address - last)));
                columns.Kind.Add(0);
                last = address;
            }
            batch.Site.Add(index);
            batch.Traps.Add(traps);
        }
        if (columns.AddressDelta.Count > 0)
            batch.NewSites = columns;
        return batch;
    }

    public static SiteKind Kind() => new() { Operation = Operation.DeviceWrite, Size = 4, Target = "lapic", Outcome = Outcome.Trap };

    public Task SendAsync(Batch batch) => SendAsync(new IngestRequest { Batch = batch });

    public Task SendAsync(IngestRequest request) => _call.RequestStream.WriteAsync(request);

    public async Task<IngestResponse> NextAsync()
    {
        if (!await _call.ResponseStream.MoveNext(_patience.Token))
            throw new EndOfStreamException("the stream ended with OK");
        return _call.ResponseStream.Current;
    }

    /// <summary>The next answer of a kind; others are passed over.</summary>
    public async Task<IngestResponse> NextAsync(IngestResponse.MessageOneofCase kind)
    {
        while (true)
        {
            IngestResponse answer = await NextAsync();
            if (answer.MessageCase == kind)
                return answer;
        }
    }

    public async Task<ulong> AckAsync() => (await NextAsync(IngestResponse.MessageOneofCase.Ack)).Ack.Position;

    public async Task<BatchRefused> RefusedBatchAsync() => (await NextAsync(IngestResponse.MessageOneofCase.Refused)).Refused;

    /// <summary>Sends a batch and waits until it is committed.</summary>
    public async Task<ulong> CountAsync(Batch batch)
    {
        await SendAsync(batch);
        return await AckAsync();
    }

    /// <summary>Half-closes and waits for the end with OK.</summary>
    public async Task CompleteAsync()
    {
        await _call.RequestStream.CompleteAsync();
        while (await _call.ResponseStream.MoveNext(_patience.Token))
        {
        }
    }

    /// <summary>The status that the collector ends the stream with, of its own accord.</summary>
    public async Task<Status> EndAsync()
    {
        try
        {
            while (await _call.ResponseStream.MoveNext(_patience.Token))
            {
            }
        }
        catch (RpcException e)
        {
            if (_patience.IsCancellationRequested)
                throw new TimeoutException($"the stream had not ended after {Patience}", e);
            return e.Status;
        }
        return Status.DefaultSuccess;
    }

    public void Dispose()
    {
        _patience.Cancel();
        _call.Dispose();
        _channel.Dispose();
        _patience.Dispose();
    }
}
