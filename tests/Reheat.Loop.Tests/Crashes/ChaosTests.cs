using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Reheat.Loop.Tests.Fixtures;
using Reheat.Store.Cluster;
using Xunit;

namespace Reheat.Loop.Tests.Crashes;

/// <summary>
/// Everything that can fail does, at random, while records flow: agent, collector and PostgreSQL are killed, alone and together, processes stand still, connections are cut,
/// delayed, emptied and changed, the agent's disk is full, wall clocks jump. Afterwards each record is counted once. REHEAT_FAULTS says how many faults (the long run: 200), REHEAT_SEED which.
/// </summary>
public sealed class ChaosTests : IAsyncLifetime
{
    private const int ShortRun = 18; // each kind once
    private const int Sites = 100;
    private const ulong RingRecords = 1 << 13;
    private const ulong Code = 0x401000;

    private static readonly int Faults = Setting("REHEAT_FAULTS", ShortRun);
    private static readonly int Seed = Setting("REHEAT_SEED", 20_261_130);

    private readonly Scratch _scratch = new();
    private readonly string _clusterDirectory = TestCluster.NewDirectory();
    private readonly TestImage _image = TestImage.Get();
    private readonly Random _random = new(Seed);
    private readonly int _port = LoopServer.FreePort();
    private readonly List<string> _done = [];
    private PrivateCluster _cluster = null!;
    private FaultyProxy _proxy = null!;
    private SmallDisk _disk = null!;
    private FakeClock _agentClock = null!, _collectorClock = null!;
    private ReheatProcess _collector = null!, _agent = null!;

    private string Session => _scratch.File("session");

    private string Spool => Path.Combine(_scratch.File("disk"), "spool");

    public async ValueTask InitializeAsync()
    {
        _cluster = await PrivateCluster.StartAsync(_clusterDirectory, NullLogger.Instance, CancellationToken.None);
        _proxy = new FaultyProxy(_port, Seed);
        _disk = new SmallDisk(_scratch.File("disk"), "8m");
        (_agentClock, _collectorClock) = (new FakeClock(_scratch.File("agent-clock")), new FakeClock(_scratch.File("collector-clock")));
    }

    public async ValueTask DisposeAsync()
    {
        await _proxy.DisposeAsync();
        _collector?.Dispose();
        _agent?.Dispose();
        _disk?.Dispose();
        _agentClock?.Dispose();
        _collectorClock?.Dispose();
        await _cluster.DisposeAsync();
        Directory.Delete(_clusterDirectory, recursive: true);
        _scratch.Dispose();
    }

    [Fact]
    public async Task Whatever_fails_and_however_often_each_record_is_counted_once()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session, capacity: RingRecords, rings: 2);
        using var over = new CancellationTokenSource();
        Task<int> feeding = FeedAsync(wedge, over.Token);
        (_collector, _agent) = (StartCollector(), StartAgent());
        (string Name, Func<Task> Do)[] faults = Kinds();
        try
        {
            for (int i = 0; i < Faults; i++)
            {
                (string name, Func<Task> fault) = faults[i < faults.Length ? i : _random.Next(faults.Length)];
                var waited = System.Diagnostics.Stopwatch.StartNew();
                await ComesThroughAsync($"before fault {i}, {name}");
                _done.Add(name);
                TestContext.Current.TestOutputHelper?.WriteLine($"{DateTime.Now:HH:mm:ss} waited {waited.Elapsed.TotalSeconds:0.0} s, now {name}");
                await Task.Delay(_random.Next(400));
                await fault();
                if (_agent.HasExited) // what was broken on its way may look like a refusal; whoever runs an agent starts it again
                    _agent = StartAgent();
            }
            await over.CancelAsync();
            int records = await feeding;
            long[] fed = await wedge.FedAsync(Sites);
            await wedge.CloseAsync();
            ReheatResult end = await EndAsync();

            Assert.True(end.ExitCode == 0, $"{end.ExitCode}: {end.Errors}");
            Assert.Equal(records, fed.Sum());
            await using var database = new TestDatabase(_cluster.ConnectionString);
            Assert.Equal([(records, records, 0, 0)], await database.RowsAsync<(long, long, long, long)>("SELECT recorded, stored, dropped, pending FROM reheat.accounting"));
            await database.AssertTrapsAsync(records);
            if (_collectorClock.Jumps > 0)
                Assert.True(await database.ValueAsync<bool>("SELECT bool_or(bucket < now() - interval '2 days') FROM (SELECT bucket FROM reheat_data.counts UNION ALL SELECT bucket FROM reheat_data.counts_hour) b"), "the collector's clock jumped, and it shows");
            Assert.Equal(Enumerable.Range(0, Sites).ToDictionary(i => (long)Code + i, i => fed[i]), await database.ByAddressAsync());
            Assert.Empty(_disk.Files("spool", "*.spool*"));
            Assert.InRange(_proxy.Changed, 1, int.MaxValue);
            TestContext.Current.TestOutputHelper?.WriteLine(
                $"{_done.Count} faults: {string.Join(", ", _done.CountBy(d => d).OrderBy(d => d.Key).Select(d => $"{d.Value} × {d.Key}"))}; {records} records, {_proxy.Changed} bytes changed");
        }
        catch (Exception e)
        {
            await over.CancelAsync();
            throw new InvalidOperationException(
                $"seed {Seed}, after {string.Join(", ", _done)}: {e.Message}\ncollector: {await _collector.SaidAsync()}\nagent: {await _agent.SaidAsync()}", e);
        }
    }

    private (string, Func<Task>)[] Kinds() =>
    [
        ("agent killed", KillAgentAsync),
        ("collector killed", KillCollectorAsync),
        ("PostgreSQL killed", KillDatabaseAsync),
        ("all three killed", async () => await Task.WhenAll(KillAgentAsync(), KillCollectorAsync(), KillDatabaseAsync())),
        ("connections cut", () => { _proxy.Cut(); return Task.CompletedTask; }),
        ("network delayed", () => NetworkAsync(NetworkFault.Delay, 600)),
        ("network lost", () => NetworkAsync(NetworkFault.Drop, 500)),
        ("network changes bytes", () => NetworkAsync(NetworkFault.Corrupt, 300)),
        ("agent paused", () => PauseAsync(_agent)),
        ("collector paused", () => PauseAsync(_collector)),
        ("collector away for long", AwayAsync),
        ("agent killed while the collector is away", async () => { await _collector.KillAsync(); await Task.Delay(700); await KillAgentAsync(); await Task.Delay(300); _collector = StartCollector(); }),
        ("collector killed while the network is lost", async () => { _proxy.Set(NetworkFault.Drop); await Task.Delay(200); await KillCollectorAsync(); await NetworkAsync(NetworkFault.Drop, 100); }),
        ("agent's disk full while the collector is away", () => FullDiskAsync(killed: false)),
        ("agent's disk full while the collector is away, and the agent killed", () => FullDiskAsync(killed: true)),
        ("agent's clock jumps", () => JumpAsync(_agentClock)),
        ("collector's clock jumps", () => JumpAsync(_collectorClock)),
        ("PostgreSQL killed while the collector is paused", async () => await Task.WhenAll(PauseAsync(_collector), KillDatabaseAsync())),
    ];

    private async Task KillAgentAsync()
    {
        await _agent.KillAsync();
        _agent.Dispose();
        _agent = StartAgent();
    }

    private async Task KillCollectorAsync()
    {
        await _collector.KillAsync();
        _collector.Dispose();
        _collector = StartCollector();
    }

    // As a crash would: the next start recovers from the log.
    private async Task KillDatabaseAsync()
    {
        await _cluster.StopAsync(immediate: true, CancellationToken.None);
        await Task.Delay(_random.Next(300));
        _cluster = await PrivateCluster.StartAsync(_clusterDirectory, NullLogger.Instance, CancellationToken.None);
    }

    private async Task NetworkAsync(NetworkFault fault, int milliseconds)
    {
        _proxy.Set(fault);
        await Task.Delay(milliseconds);
        _proxy.Set(NetworkFault.None);
        if (fault != NetworkFault.Delay)
            _proxy.Cut(); // what was lost does not come again on the same connection
    }

    private async Task PauseAsync(ReheatProcess process)
    {
        Tool.Run("kill", "-STOP", process.Id.ToString(CultureInfo.InvariantCulture));
        await Task.Delay(200 + _random.Next(800));
        Tool.Run("kill", "-CONT", process.Id.ToString(CultureInfo.InvariantCulture));
    }

    private async Task FullDiskAsync(bool killed)
    {
        await _collector.KillAsync();
        await Task.Delay(500);
        _disk.Fill();
        await Eventually.HoldsAsync(() => Task.FromResult(RingsAreFull()), "a ring is full, as the disk is");
        if (killed)
            await KillAgentAsync();
        _collector.Dispose();
        _collector = StartCollector();
        await Task.Delay(_random.Next(1_500));
        _disk.Empty();
    }

    private bool RingsAreFull()
    {
        foreach (string path in Directory.EnumerateFiles(Session, "ring-*"))
        {
            using Core.Ring.RingFile ring = Core.Ring.RingFile.Open(path, out _, readOnly: true)!;
            if (ring.Head - ring.Tail > RingRecords * 9 / 10)
                return true;
        }
        return false;
    }

    // Far first, beyond what is kept by the minute; then by anything. Never so far that an epoch would be too old to be known.
    private async Task JumpAsync(FakeClock clock)
    {
        clock.Jump(TimeSpan.FromSeconds(clock.Jumps == 0 ? -190_000 : _random.Next(2) == 0 ? _random.Next(-30, 30) : _random.Next(-200_000, 200_000)));
        await Task.Delay(_random.Next(400));
    }

    private async Task AwayAsync()
    {
        await _collector.KillAsync();
        await Task.Delay(2_000);
        _collector = StartCollector();
    }

    /// <summary>Records come through: a fault in a system that stands still proves nothing.</summary>
    private async Task ComesThroughAsync(string when)
    {
        long before = await StoredAsync();
        await Eventually.HoldsAsync(async () => await StoredAsync() > before, $"something was stored {when}");
    }

    private async Task<long> StoredAsync()
    {
        try
        {
            await using NpgsqlConnection connection = new(new NpgsqlConnectionStringBuilder(_cluster.ConnectionString) { Pooling = false }.ConnectionString);
            await connection.OpenAsync();
            await using var command = new NpgsqlCommand("SELECT coalesce(sum(position), 0)::bigint FROM reheat_data.marks", connection);
            return (long)(await command.ExecuteScalarAsync())!;
        }
        catch (NpgsqlException)
        {
            return 0;
        }
    }

    private async Task<ReheatResult> EndAsync()
    {
        for (int tries = 0; ; tries++)
        {
            ReheatResult end = await _agent.EndAsync();
            if (end.ExitCode == 0 || tries == 3)
                return end;
            _agent = StartAgent();
        }
    }

    private static async Task<int> FeedAsync(WedgeProcess wedge, CancellationToken over)
    {
        const int Chunk = 2_000;
        int records = 0;
        for (; !over.IsCancellationRequested; records += Chunk)
            await wedge.FeedAsync(Seed + records, Chunk, Code, step: 1, Sites, group: 100, pauseMicroseconds: 5_000);
        return records;
    }

    private ReheatProcess StartCollector() =>
        ReheatProcess.StartWith(_collectorClock, null, "up", "--listen", $"127.0.0.1:{_port}", "--database",
            new NpgsqlConnectionStringBuilder(_cluster.ConnectionString) { MaxPoolSize = 10 }.ConnectionString);

    private ReheatProcess StartAgent() =>
        ReheatProcess.StartWith(_agentClock, _disk, "agent", "--session", Session, "--wedge", "chaos", "--image", _image.Path, "-v", "--collector", $"http://127.0.0.1:{_proxy.Port}",
            "--spool", Spool, "--spool-after", "0.3");

    private static int Setting(string name, int otherwise) =>
        Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? int.Parse(value, CultureInfo.InvariantCulture) : otherwise;
}
