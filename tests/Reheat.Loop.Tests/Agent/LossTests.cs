using System.Text.Json;
using Reheat.Agent;
using Reheat.Core;
using Reheat.Core.Ring;
using Reheat.Core.Ring.Checking;
using Reheat.Loop.Tests.Fixtures;
using Xunit;

namespace Reheat.Loop.Tests.Agent;

/// <summary>The ring loses nothing silently: whatever goes wrong, recorded = stored + dropped, and the command line and SQL say what was dropped and why.</summary>
public sealed class LossTests : IAsyncLifetime
{
    private const ulong Code = 0x401000;

    private readonly Scratch _scratch = new();
    private readonly TestImage _image = TestImage.Get();
    private TestDatabase _database = null!;
    private LoopServer _server = null!;

    private string Session => _scratch.File("session");

    public async ValueTask InitializeAsync()
    {
        _database = await TestCluster.Instance.CreateAsync();
        _server = await LoopServer.StartAsync(_database.ConnectionString);
        await _server.RegisterAsync("s", _image.Path);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _database.DisposeAsync();
        _scratch.Dispose();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    public async Task A_producer_killed_at_full_speed_loses_at_most_the_trap_of_its_last_push(int seed)
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session, capacity: 1 << 15);
        await using var agent = new RunningAgent(_server.Address, Session, _image.Loaded());
        Task feeding = wedge.FeedAsync(seed, int.MaxValue, Code, step: 1, sites: 10);
        await agent.AcknowledgedAsync(1);
        await Task.Delay(new Random(seed).Next(200));
        await wedge.KillAsync();
        await Assert.ThrowsAsync<InvalidOperationException>(() => feeding);
        await agent.DeliveredAsync();

        (long recorded, long stored, long dropped) = await AccountAsync();
        using RingFile ring = RingFile.Open(Path.Combine(Session, "ring-0"), out _)!;
        Assert.Equal((long)ring.Head, stored);
        Assert.Equal(0, dropped);
        Assert.InRange(recorded - stored, 0, 1);
        Assert.Equal((0L, 0L), (agent.Status.Corrupt, agent.Status.UnknownOperations));
    }

    [Fact]
    public async Task A_producer_killed_within_a_push_leaves_one_trap_counted_that_no_record_shows()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session);
        await wedge.CommandAsync($"code 0x{Code:x} 2 0x0789");
        await wedge.PushAsync(Code, repeat: 5);
        await wedge.CommandAsync($"half 0 0x{Code:x}");
        await wedge.KillAsync();
        await using var agent = new RunningAgent(_server.Address, Session, _image.Loaded());
        await agent.DeliveredAsync();

        Assert.Equal((6, 5, 0), await AccountAsync());
        Assert.Equal(1, await _database.ValueAsync<long>("SELECT pending FROM reheat.accounting"));
        Assert.Equal(1, JsonDocument.Parse((await CoverageAsync("--json")).Output).RootElement.GetProperty("pending_of_all_wedges").GetInt32());
        Assert.Contains("1 trap of all wedges is not here yet", (await CoverageAsync()).Output, StringComparison.Ordinal);
        using var check = new SessionCheck(Session);
        Assert.True(check.Look());
        Assert.Equal([DiagnosticId.RingNotClosed], check.Finish().Counts.Keys); // and not a false count
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Records_overwritten_with_garbage_are_counted_each_and_the_others_are_kept(int seed)
    {
        const int Records = 4000, Bad = 300;
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session);
        await wedge.PushAsync(Code, repeat: Records / 2);
        await wedge.PushAsync(Code, repeat: Records / 2, flags: RecordFlags.Hit);
        await wedge.CommandAsync($"garbage 0 {seed} {(Records - Bad) / 2} {Bad}"); // half of them traps
        await wedge.CloseAsync();
        await using var agent = new RunningAgent(_server.Address, Session, _image.Loaded());
        await agent.DeliveredAsync();

        Assert.Equal((Records / 2, (Records - Bad) / 2, Bad / 2), await AccountAsync());
        Assert.Equal([("corrupt-record", Bad / 2, Bad / 2, Bad)],
            await _database.RowsAsync<(string, long, long, long)>("SELECT reason, traps, hits, records FROM reheat.drops"));
        Assert.Equal([(Records / 2, (Records - Bad) / 2, Bad / 2, 0)], await _database.RowsAsync<(long, long, long, long)>(
            "SELECT hits_recorded, hits_stored, hits_dropped, hits_pending FROM reheat.accounting"));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(9)]
    public async Task A_ring_of_an_older_or_a_newer_version_is_refused_with_both_numbers_and_left_alone(int version)
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session);
        await wedge.PushAsync(Code);
        await wedge.CommandAsync($"version 0 {version}");
        await using var agent = new RunningAgent(_server.Address, Session, _image.Loaded());

        AgentException refused = await Assert.ThrowsAsync<AgentException>(agent.DeliveredAsync);

        Assert.Contains($"ring of format version {version}, this agent reads {RingFormat.OldestVersion} to {RingFormat.Version}", refused.Message, StringComparison.Ordinal);
        Assert.Contains(Path.Combine(Session, "ring-0"), refused.Message, StringComparison.Ordinal);
        Assert.Equal((1UL, 0UL), ((await wedge.CountersAsync()).Head, (await wedge.CountersAsync()).Tail));
    }

    [Fact]
    public async Task A_ring_of_the_oldest_version_is_read()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session);
        await wedge.PushAsync(Code, repeat: 7);
        await wedge.CommandAsync($"version 0 {RingFormat.OldestVersion}");
        await wedge.CloseAsync();
        await using var agent = new RunningAgent(_server.Address, Session, _image.Loaded());
        await agent.DeliveredAsync();

        Assert.Equal((7, 7, 0), await AccountAsync());
    }

    [Fact]
    public async Task Every_kind_of_drop_is_in_the_views_and_in_coverage()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session, capacity: 64);
        await wedge.PushAsync(Code, repeat: 62);
        await wedge.PushAsync(Code, size: 3);
        await wedge.PushAsync(Code - 0x1000); // outside the image: no loss
        await wedge.PushAsync(Code, repeat: 9);
        await wedge.PushAsync(Code, repeat: 4, flags: RecordFlags.Hit);
        await wedge.CommandAsync("sequence 0 5 99");
        await wedge.CloseAsync();
        await using (var agent = new RunningAgent(_server.Address, Session, _image.Loaded()))
            await agent.DeliveredAsync();

        (string, long, long, long)[] expected = [("corrupt-record", 1, 0, 1), ("ring-full", 9, 4, 13), ("unknown-operation", 1, 0, 1)];
        Assert.Equal(expected, await _database.RowsAsync<(string, long, long, long)>(
            "SELECT reason, traps, hits, records FROM reheat.drops WHERE reason <> 'outside-images' ORDER BY reason"));
        Assert.Equal([(73, 61, 11, 1, 0)], await _database.RowsAsync<(long, long, long, long, long)>(
            "SELECT recorded, stored, dropped, outside_recorded, pending FROM reheat.accounting"));

        JsonElement json = JsonDocument.Parse((await CoverageAsync("--json")).Output).RootElement;
        Assert.Equal(11, json.GetProperty("dropped_by_all_wedges").GetInt32());
        Assert.Equal(expected, json.GetProperty("dropped").EnumerateArray()
            .Select(d => (d.GetProperty("reason").GetString()!, d.GetProperty("traps").GetInt64(), d.GetProperty("hits").GetInt64(), d.GetProperty("records").GetInt64()))
            .OrderBy(d => d.Item1));
        string text = (await CoverageAsync()).Output;
        Assert.Matches(@"ring-full +9 +4 +13", text);
        Assert.Matches(@"corrupt-record +1 +0 +1", text);
        Assert.Matches(@"unknown-operation +1 +0 +1", text);
    }

    [Fact]
    public async Task Where_all_was_dropped_coverage_says_so_beside_that_nothing_was_observed()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session);
        await wedge.PushAsync(Code, repeat: 3, size: 3);
        await wedge.CloseAsync();
        await using var agent = new RunningAgent(_server.Address, Session, _image.Loaded());
        await agent.DeliveredAsync();

        ReheatResult result = await CoverageAsync();

        Assert.Equal(6, result.ExitCode);
        Assert.Matches(@"unknown-operation +3 +0 +3", result.Output);
    }

    private Task<ReheatResult> CoverageAsync(params string[] options) => ReheatProcess.RunAsync(["coverage", .. options, "--collector", _server.Address.ToString()]);

    private async Task<(long Recorded, long Stored, long Dropped)> AccountAsync() =>
        Assert.Single(await _database.RowsAsync<(long, long, long)>("SELECT recorded, stored, dropped FROM reheat.accounting"));
}
