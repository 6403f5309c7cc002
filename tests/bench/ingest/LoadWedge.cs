using System.Collections.Concurrent;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Reheat.V1;

namespace Reheat.IngestBench;

/// <summary>One wedge's stream.</summary>
internal sealed class LoadWedge(int number, LoadOptions options, Payloads payloads, LoadFigures figures) : IDisposable
{
    private readonly ConcurrentQueue<(ulong From, ulong End, long At)> _underWay = new();
    private readonly ConcurrentQueue<WantedSites> _wanted = new();
    private readonly SemaphoreSlim _room = new(options.Window);

    public async Task RunAsync(GrpcChannel channel, Task allOpen, CancellationToken cancel)
    {
        using AsyncDuplexStreamingCall<RawRequest, IngestResponse> call = channel.CreateCallInvoker().AsyncDuplexStreamingCall(RawRequest.Ingest, null, new CallOptions(cancellationToken: cancel));
        await call.RequestStream.WriteAsync(new RawRequest { Hello = Hello() }, cancel);
        if (!await call.ResponseStream.MoveNext(cancel) || call.ResponseStream.Current.Welcome is not { } welcome)
            throw new InvalidOperationException("no welcome");
        Task reading = ReadAsync(call, cancel);
        ulong at = welcome.Marks.Count > 0 ? welcome.Marks[0].Position : 0;
        figures.Open();
        await allOpen;
        long began = Stopwatch.GetTimestamp();
        // Wedges do not send all at once.
        if (options.Interval > 0)
            await Task.Delay(TimeSpan.FromSeconds(options.Interval * new Random(number).NextDouble()), cancel);
        for (int batch = 0; Stopwatch.GetElapsedTime(began).TotalSeconds < options.Seconds; batch++)
        {
            if (!options.Bare)
                await _room.WaitAsync(cancel);
            ulong end = at + (ulong)options.Records;
            var request = new RawRequest
            {
                From = at,
                To = end,
                Columns = payloads.Columns[(number + batch) % payloads.Columns.Length],
                Dictionary = batch == 0 ? payloads.Dictionary : [],
            };
            long sentAt = Stopwatch.GetTimestamp();
            if (!options.Bare)
                _underWay.Enqueue((at, end, sentAt));
            await call.RequestStream.WriteAsync(request, cancel);
            figures.Sent(request.Size);
            while (_wanted.TryDequeue(out WantedSites? wanted))
                await call.RequestStream.WriteAsync(new RawRequest { SiteBytes = Told(wanted) }, cancel);
            if (options.Bare)
                figures.Committed(options.Records, sentAt);
            at = end;
            if (options.Interval > 0)
                await Task.Delay(TimeSpan.FromSeconds(options.Interval), cancel);
        }
        await call.RequestStream.CompleteAsync();
        await reading;
    }

    public void Dispose() => _room.Dispose();

    private async Task ReadAsync(AsyncDuplexStreamingCall<RawRequest, IngestResponse> call, CancellationToken cancel)
    {
        IAsyncStreamReader<IngestResponse> answers = call.ResponseStream;
        while (await answers.MoveNext(cancel))
        {
            IngestResponse answer = answers.Current;
            if (answer.MessageCase is IngestResponse.MessageOneofCase.Refused or IngestResponse.MessageOneofCase.SlowDown)
                figures.Refuse();
            if (answer.WantedSites is { } wanted)
                _wanted.Enqueue(wanted);
            if (answer.Ack is not { } ack)
                continue;
            while (_underWay.TryPeek(out (ulong From, ulong End, long At) batch) && batch.End <= ack.Position)
            {
                _underWay.TryDequeue(out _);
                figures.Committed((long)(batch.End - batch.From), batch.At);
                _room.Release();
            }
        }
    }

    private static SiteBytes Told(WantedSites wanted)
    {
        var bytes = new SiteBytes();
        bytes.Codes.Add(wanted.Site.Select(i => new SiteCode { Site = i, Code = ByteString.CopyFrom(0x89, 0x07) }));
        return bytes;
    }

    private Hello Hello()
    {
        // Builds differ in their build-ids alone: the same code at the same addresses is as many other sites.
        byte[] build = SHA256.HashData(Encoding.UTF8.GetBytes($"{options.Prefix} {number % options.Builds}"));
        return new Hello
        {
            Wedge = $"{options.Prefix}-{number}",
            Kind = "load",
            Version = "1",
            Host = "bench",
            Guest = $"{options.Prefix}-{number}",
            Epoch = (ulong)number + 1,
            EpochUnixNs = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1_000_000,
            Agent = (ulong)number + 1,
            Checksums = true,
            Rings = { 0 },
            Images = { new LoadedImage { BuildId = ByteString.CopyFrom(build), Name = "vmlinux" } },
        };
    }
}
