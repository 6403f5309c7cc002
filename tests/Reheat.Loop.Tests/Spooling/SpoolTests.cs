using Reheat.Agent.Spooling;
using Reheat.Loop.Tests.Fixtures;
using Xunit;

namespace Reheat.Loop.Tests.Spooling;

/// <summary>An agent with a spool, on a real ring, while the collector is away: what is spooled, delivered, dropped and said.</summary>
public sealed class SpoolTests : IAsyncLifetime
{
    private const ulong Code = 0x401000;
    private const int Sites = 50;

    private readonly Scratch _scratch = new();
    private readonly TestImage _image = TestImage.Get();
    private readonly int _port = LoopServer.FreePort();
    private TestDatabase _database = null!;

    private string Session => _scratch.File("session");

    private string Directory => _scratch.File("spool");

    private Uri Collector => new($"http://127.0.0.1:{_port}");

    public async ValueTask InitializeAsync() => _database = await TestCluster.Instance.CreateAsync();

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        _scratch.Dispose();
    }

    [Fact]
    public async Task What_rings_cannot_hold_waits_on_disk_and_is_counted_once_at_the_time_when_it_was_seen()
    {
        var clock = new MovedClock();
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session, capacity: 1 << 10, rings: 2);
        await using (RunningAgent agent = Agent(clock: clock))
        {
            await wedge.FeedAsync(1, 20_000, Code, step: 1, Sites); // ends only as the spool takes it
            Assert.Equal(0, agent.Status.Acknowledged);
            await SpooledAsync(agent);
            clock.Move(TimeSpan.FromMinutes(30));

            var now = DateTimeOffset.UtcNow;
            await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, _port);
            await wedge.FeedAsync(2, 5_000, Code, step: 1, Sites);
            await wedge.CloseAsync();
            await agent.DeliveredAsync();

            await AssertFedAsync(25_000);
            Assert.Equal(2, await _database.ValueAsync<long>("SELECT count(DISTINCT bucket > @half) FROM reheat_data.counts", new { half = now.AddMinutes(-15).UtcDateTime }));
            Assert.InRange(await _database.ValueAsync<long>("SELECT sum(executions)::bigint FROM reheat_data.counts WHERE bucket < @half", new { half = now.AddMinutes(-15).UtcDateTime }), 20_000 - (2 * 1024), 20_000);
        }
        Assert.Empty(Segments());
    }

    [Fact]
    public async Task A_session_that_is_over_is_delivered_by_the_agent_of_the_next()
    {
        using (WedgeProcess first = await WedgeProcess.StartAsync(Session, capacity: 1 << 10, epoch: 0xaaa))
        {
            await using RunningAgent agent = Agent();
            await first.FeedAsync(1, 5_000, Code, step: 1, Sites);
            await first.CloseAsync();
            await SpooledAsync(agent, all: true);
        }
        System.IO.Directory.Delete(Session, recursive: true); // the machine was started anew: rings are gone, the spool is not
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, _port);
        using WedgeProcess second = await WedgeProcess.StartAsync(Session, capacity: 1 << 10, epoch: 0xbbb);
        await using RunningAgent next = Agent();
        await second.FeedAsync(2, 3_000, Code, step: 1, Sites);
        await second.CloseAsync();
        await next.DeliveredAsync();

        Assert.Equal([(0xaaa, 5_000, 0), (0xbbb, 3_000, 0)], await _database.RowsAsync<(long, long, long)>("SELECT epoch, stored, pending FROM reheat.accounting ORDER BY epoch"));
        await _database.AssertTrapsAsync(8_000);
        Assert.Empty(Segments());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)] // what the agent has heard is kept
    public async Task What_is_spooled_fits_what_the_collector_takes_in_a_batch(bool restarts)
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session, capacity: 1 << 10);
        RunningAgent first = Agent();
        await using (await LoopServer.StartAsync(_database.ConnectionString, _port, change: o => o with { MaxBatchRows = 10 }))
        {
            await Eventually.HoldsAsync(() => Task.FromResult(first.Status.Connection == "connected"), "the agent has heard of the limit");
            await wedge.FeedAsync(1, 100, Code, step: 1, Sites);
            await first.AcknowledgedAsync(100);
            await Eventually.HoldsAsync(() => Task.FromResult(System.IO.Directory.EnumerateFiles(Directory, "limits", SearchOption.AllDirectories).Any()), "it is kept");
        }
        if (restarts)
            await first.DisposeAsync();
        await using RunningAgent agent = restarts ? Agent() : first;
        await wedge.FeedAsync(2, 5_000, Code, step: 1, Sites);
        await SpooledAsync(agent);
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, _port, change: o => o with { MaxBatchRows = 10 });
        await wedge.CloseAsync();
        await agent.DeliveredAsync();

        await AssertFedAsync(5_100);
        Assert.Empty(await _database.RowsAsync<string>("SELECT reason FROM reheat.drops"));
    }

    [Fact]
    public async Task A_full_spool_drops_its_oldest_and_the_drops_add_up()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session, capacity: 1 << 10);
        await using RunningAgent agent = Agent(o => o with { MaxBytes = SpoolOptions.LeastBytes }, errorsExpected: true);
        await wedge.FeedAsync(1, 160_000, Code, step: 1, Sites);
        Assert.Contains(agent.Log.Errors, e => e.Contains("the spool is full", StringComparison.Ordinal) && e.Contains("at most 8192 bytes", StringComparison.Ordinal));
        Assert.InRange(Segments().Sum(s => new FileInfo(s).Length), 1, SpoolOptions.LeastBytes + (4 << 10));
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, _port);
        await wedge.CloseAsync();
        await agent.DeliveredAsync();

        (long recorded, long stored, long dropped, long pending) = (await _database.RowsAsync<(long, long, long, long)>("SELECT recorded, stored, dropped, pending FROM reheat.accounting"))[0];
        Assert.Equal((160_000, 0), (recorded, pending));
        Assert.Equal(160_000, stored + dropped);
        Assert.InRange(dropped, 1, 159_999);
        Assert.Equal([("spool-full", dropped, dropped)], await _database.RowsAsync<(string, long, long)>("SELECT reason, traps, records FROM reheat.drops"));
        await _database.AssertTrapsAsync(stored);
        Assert.Empty(Segments());
    }

    [Fact]
    public async Task A_torn_tail_is_cut_off_and_said_and_what_is_no_segment_is_put_aside()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session, capacity: 1 << 10);
        await using (RunningAgent agent = Agent())
        {
            await wedge.FeedAsync(1, 5_000, Code, step: 1, Sites);
            await SpooledAsync(agent, all: true);
        }
        string newest = Segments().Max()!;
        await File.AppendAllBytesAsync(newest, [60, 0, 0, 0, 1, 2, 3, 4, 5]);
        string foreign = Path.Combine(Path.GetDirectoryName(newest)!, "999999999999-0000000000000abc.spool");
        await File.WriteAllTextAsync(foreign, "no segment");
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, _port);
        await using RunningAgent next = Agent(errorsExpected: true);
        await wedge.CloseAsync();
        await next.DeliveredAsync();

        Assert.Contains(next.Log.Warnings, w => w.Contains($"{newest}: its last 9 bytes", StringComparison.Ordinal));
        Assert.Contains(next.Log.Errors, e => e.Contains(foreign, StringComparison.Ordinal));
        Assert.True(File.Exists(foreign + ".aside"));
        await AssertFedAsync(5_000);
    }

    [Fact]
    public async Task A_segment_that_is_broken_in_the_middle_loses_no_more_than_the_rest_of_it_and_that_is_counted()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session, capacity: 1 << 10);
        await using (RunningAgent agent = Agent(o => o with { MaxBytes = SpoolOptions.LeastBytes * 1024 }))
        {
            await wedge.FeedAsync(1, 20_000, Code, step: 1, Sites);
            await SpooledAsync(agent, all: true);
        }
        string oldest = Segments().Min()!;
        byte[] bytes = await File.ReadAllBytesAsync(oldest);
        bytes[bytes.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(oldest, bytes);
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, _port);
        await using RunningAgent next = Agent(errorsExpected: true);
        await wedge.CloseAsync();
        await next.DeliveredAsync();

        long stored = await _database.ValueAsync<long>("SELECT stored FROM reheat.accounting");
        Assert.InRange(stored, 1, 19_999);
        Assert.Equal(20_000, stored + await _database.ValueAsync<long>("SELECT records FROM reheat.drops WHERE reason = 'mark-went-back'"));
    }

    [Fact]
    public async Task A_spool_has_one_agent()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session);
        await using RunningAgent first = Agent();
        await wedge.PushAsync(Code);
        await SpooledAsync(first);
        using WedgeProcess other = await WedgeProcess.StartAsync(_scratch.File("other"));

        await using var second = new RunningAgent(Collector, _scratch.File("other"), _image.Loaded(), change: Spooled(null), errorsExpected: true);
        Exception refused = await Assert.ThrowsAnyAsync<Exception>(second.DeliveredAsync);

        Assert.Contains("a spool has one", refused.Message, StringComparison.Ordinal);
        Assert.Contains(Directory, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_disk_that_is_full_leaves_records_in_the_rings_and_loses_nothing()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session, capacity: 1 << 10);
        using var disk = new SmallDisk(Directory, "96k"); // room for some batches only
        using ReheatProcess agent = ReheatProcess.StartWith(null, disk,
            "agent", "--session", Session, "--wedge", "w", "--image", _image.Path, "--collector", Collector.ToString(), "--spool", Directory, "--spool-after", "0", "-v");
        Task fed = wedge.FeedAsync(1, 160_000, Code, step: 1, Sites);
        await Task.Delay(6_000); // it fills up, and the ring behind it
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, _port);
        await fed.WaitAsync(TimeSpan.FromSeconds(60));
        await wedge.CloseAsync();
        ReheatResult end = await agent.EndAsync();

        Assert.True(end.ExitCode == 0, end.Errors);
        Assert.Contains("takes nothing", end.Errors, StringComparison.Ordinal);
        await AssertFedAsync(160_000);
    }

    private RunningAgent Agent(Func<SpoolOptions, SpoolOptions>? change = null, bool errorsExpected = false, TimeProvider? clock = null) =>
        new(Collector, Session, _image.Loaded(), change: Spooled(change), errorsExpected: errorsExpected, clock: clock);

    private Func<Reheat.Agent.AgentOptions, Reheat.Agent.AgentOptions> Spooled(Func<SpoolOptions, SpoolOptions>? change)
    {
        var options = new SpoolOptions { Directory = Directory, After = TimeSpan.Zero, Sync = SpoolSync.Segment };
        return o => o with { Spool = change?.Invoke(options) ?? options };
    }

    private IEnumerable<string> Segments() => System.IO.Directory.Exists(Directory) ? System.IO.Directory.EnumerateFiles(Directory, "*.spool", SearchOption.AllDirectories) : [];

    private async Task SpooledAsync(RunningAgent agent, bool all = false)
    {
        await Eventually.HoldsAsync(() => Task.FromResult(agent.HasEnded || Segments().Any()), "something is spooled");
        if (all)
        {
            await Eventually.HoldsAsync(() => Task.FromResult(Rings().All(r => r.Head == r.Tail)), "the rings are empty");
        }
    }

    private IEnumerable<(ulong Head, ulong Tail)> Rings()
    {
        foreach (string path in System.IO.Directory.EnumerateFiles(Session, "ring-*"))
        {
            using Core.Ring.RingFile ring = Core.Ring.RingFile.Open(path, out _, readOnly: true)!;
            yield return (ring.Head, ring.Tail);
        }
    }

    private async Task AssertFedAsync(long records)
    {
        Assert.Equal([(records, records, 0, 0)], await _database.RowsAsync<(long, long, long, long)>("SELECT recorded, stored, dropped, pending FROM reheat.accounting"));
        await _database.AssertTrapsAsync(records);
    }
}
