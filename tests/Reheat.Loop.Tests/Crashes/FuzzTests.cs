using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Reheat.Loop.Tests.Fixtures;
using Reheat.V1;
using Xunit;

namespace Reheat.Loop.Tests.Crashes;

/// <summary>
/// Requests that no agent sends: bytes of no protobuf, messages in the wrong order, columns without end, deltas that overflow, random bytes on the port, streams that say
/// a byte now and then. The collector stays up, an honest stream beside them is served all the while, and memory stays bounded. REHEAT_FUZZ_SECONDS says how long
/// (the long run: 600), REHEAT_SEED which.
/// </summary>
public sealed class FuzzTests : IAsyncLifetime
{
    private const long MostMemory = 1L << 30;

    private static readonly int Seconds = Setting("REHEAT_FUZZ_SECONDS", 8);
    private static readonly int Seed = Setting("REHEAT_SEED", 20_261_130);

    // Bytes as they are: what the encoder would never make.
    private static readonly Method<byte[], byte[]> Raw = new(
        MethodType.DuplexStreaming, TraceIngest.Descriptor.FullName, "Ingest", Marshallers.Create(static (byte[] b) => b, static b => b), Marshallers.Create(static (byte[] b) => b, static b => b));

    private TestDatabase _database = null!;

    public async ValueTask InitializeAsync() => _database = await TestCluster.Instance.CreateAsync();

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    [Fact]
    public async Task Whatever_is_sent_the_collector_stays_up_and_serves_others()
    {
        int port = LoopServer.FreePort();
        using ReheatProcess collector = ReheatProcess.Start("up", "--listen", $"127.0.0.1:{port}", "--database", _database.ConnectionString);
        var address = new Uri($"http://127.0.0.1:{port}");
        await Eventually.HoldsAsync(() => Task.FromResult(IsOpen(port)), "the collector listens");
        var clock = Stopwatch.StartNew();
        Task<long> honest = HonestAsync(address, clock);
        Task<int>[] hostile = [.. Enumerable.Range(0, 3).Select(i => Task.Run(() => HostileAsync(address, port, new Random(Seed + i), clock)))];

        int sent = (await Task.WhenAll(hostile)).Sum();
        long counted = await honest;

        Assert.False(collector.HasExited, "the collector has ended");
        Assert.InRange(sent, 20, int.MaxValue);
        Assert.InRange(counted, 1, long.MaxValue);
        Assert.Equal(counted, await _database.ValueAsync<long>("SELECT sum(stored_traps)::bigint FROM reheat_data.marks WHERE wedge = 'honest'"));
        long peak = long.Parse(File.ReadLines($"/proc/{collector.Id}/status").First(l => l.StartsWith("VmHWM", StringComparison.Ordinal)).Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
        Assert.InRange(peak, 1, MostMemory);
        TestContext.Current.TestOutputHelper?.WriteLine($"{sent} hostile streams and connections in {clock.Elapsed.TotalSeconds:0} s, {counted} honest records beside them, peak {peak >> 20} MiB");
    }

    /// <summary>A stream that does all as it should; each batch must be acknowledged in reasonable time.</summary>
    private static async Task<long> HonestAsync(Uri address, Stopwatch clock)
    {
        long counted = 0;
        using GrpcChannel channel = GrpcChannel.ForAddress(address);
        using AsyncDuplexStreamingCall<IngestRequest, IngestResponse> call = new TraceIngest.TraceIngestClient(channel).Ingest();
        await call.RequestStream.WriteAsync(new IngestRequest { Hello = RawStream.Hello("honest") });
        Assert.True(await call.ResponseStream.MoveNext());
        while (clock.Elapsed.TotalSeconds < Seconds)
        {
            var batch = new Batch { From = (ulong)counted, To = (ulong)counted + 100, Site = { 0 }, Traps = { 100 } };
            if (counted == 0)
                batch.NewSites = new SiteColumns { NewKinds = { RawStream.Kind() }, AddressDelta = { 0x1000 }, Kind = { 0 } };
            await call.RequestStream.WriteAsync(new IngestRequest { Batch = batch });
            do
                Assert.True(await call.ResponseStream.MoveNext().WaitAsync(TimeSpan.FromSeconds(30)));
            while (call.ResponseStream.Current.Ack is null);
            counted = (long)call.ResponseStream.Current.Ack.Position;
        }
        await call.RequestStream.CompleteAsync();
        return counted;
    }

    private static async Task<int> HostileAsync(Uri address, int port, Random random, Stopwatch clock)
    {
        int sent = 0;
        var slow = new List<IDisposable>();
        for (; clock.Elapsed.TotalSeconds < Seconds; sent++)
        {
            try
            {
                if (random.Next(4) == 0)
                    await ConnectAsync(port, random, slow);
                else
                    await StreamAsync(address, random);
            }
            catch (Exception e) when (e is RpcException or IOException or SocketException or InvalidOperationException or OperationCanceledException or HttpRequestException)
            {
                // That is what it is for.
            }
        }
        slow.ForEach(s => s.Dispose());
        return sent;
    }

    /// <summary>Random bytes on the port, or the beginning of a connection that says a byte now and then.</summary>
    private static async Task ConnectAsync(int port, Random random, List<IDisposable> slow)
    {
        var client = new TcpClient();
        await client.ConnectAsync("127.0.0.1", port);
        byte[] bytes = new byte[random.Next(1, 20_000)];
        random.NextBytes(bytes);
        if (random.Next(2) == 0)
        {
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.CopyTo(bytes.AsSpan(0, Math.Min(24, bytes.Length)) is { Length: 24 } front ? front : new byte[24]);
            await client.GetStream().WriteAsync(bytes.AsMemory(0, Math.Min(bytes.Length, 24 + random.Next(40))));
            slow.Add(client); // left open, half said
            return;
        }
        await client.GetStream().WriteAsync(bytes);
        client.Dispose();
    }

    private static async Task StreamAsync(Uri address, Random random)
    {
        using GrpcChannel channel = GrpcChannel.ForAddress(address);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        using AsyncDuplexStreamingCall<byte[], byte[]> call = channel.CreateCallInvoker().AsyncDuplexStreamingCall(Raw, null, new CallOptions(cancellationToken: patience.Token));
        Task reading = Task.Run(async () =>
        {
            while (await call.ResponseStream.MoveNext(patience.Token))
            {
            }
        });
        string wedge = $"hostile{random.Next(50)}";
        if (random.Next(8) > 0)
            await call.RequestStream.WriteAsync(new IngestRequest { Hello = RawStream.Hello(wedge, h => h.Agent = 9) }.ToByteArray());
        for (int i = random.Next(1, 6); i > 0; i--)
            await call.RequestStream.WriteAsync(Request(random));
        await call.RequestStream.CompleteAsync();
        await reading;
    }

    private static byte[] Request(Random random)
    {
        byte[] bytes = Batch(random).ToByteArray();
        switch (random.Next(5))
        {
            case 0: // no message
                bytes = new byte[random.Next(1, 5_000)];
                random.NextBytes(bytes);
                return bytes;
            case 1: // a message with bits changed
                for (int i = random.Next(1, 10); i > 0; i--)
                    bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
                return bytes;
            case 2: // half a message
                return bytes[..random.Next(bytes.Length)];
            case 3: // many small ones in one, columns in pieces
                return [.. bytes, .. Batch(random).ToByteArray(), .. bytes];
            default:
                return bytes;
        }
    }

    private static IngestRequest Batch(Random random)
    {
        ulong[] numbers = [0, 1, 2, 127, 128, 1UL << 31, uint.MaxValue, 1UL << 48, 1UL << 62, ulong.MaxValue];
        ulong Any() => numbers[random.Next(numbers.Length)];
        var batch = new Batch { Ring = (uint)random.Next(2), From = random.Next(2) == 0 ? 0 : Any(), To = Any(), AgeNs = Any() };
        int rows = random.Next(4) switch { 0 => 0, 1 => random.Next(10), 2 => random.Next(1_000), _ => random.Next(120_000) };
        for (int i = 0; i < rows; i++)
            batch.Site.Add((uint)(random.Next(3) == 0 ? Any() : (ulong)random.Next(4)));
        if (random.Next(2) == 0)
            batch.Traps.Add(Enumerable.Range(0, random.Next(3) == 0 ? random.Next(100) : rows).Select(_ => Any()));
        if (random.Next(3) == 0)
            batch.Elements.Add(Enumerable.Range(0, rows).Select(_ => Any()));
        if (random.Next(2) == 0)
        {
            batch.NewSites = new SiteColumns { NewKinds = { RawStream.Kind() } };
            for (int i = random.Next(500); i > 0; i--)
            {
                batch.NewSites.AddressDelta.Add(unchecked((long)Any()));
                batch.NewSites.Kind.Add((uint)random.Next(random.Next(10) == 0 ? 3 : 1));
            }
        }
        if (random.Next(4) == 0)
            batch.Drops.Add(new Drop { Reason = (DropReason)random.Next(20), Traps = Any(), Records = Any(), Hits = Any() });
        if (random.Next(4) == 0)
            batch.Counters = new RingCounters { Traps = Any(), Hits = Any(), DroppedTraps = Any() };
        return random.Next(10) == 0
            ? new IngestRequest { SiteBytes = new SiteBytes { Codes = { new SiteCode { Site = (uint)Any(), Code = ByteString.CopyFrom(new byte[random.Next(20)]) } } } }
            : new IngestRequest { Batch = batch };
    }

    private static bool IsOpen(int port)
    {
        using var client = new TcpClient();
        try
        {
            client.Connect("127.0.0.1", port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static int Setting(string name, int otherwise) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? int.Parse(value, CultureInfo.InvariantCulture) : otherwise;
}
