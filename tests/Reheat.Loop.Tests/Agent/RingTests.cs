using Reheat.Agent;
using Reheat.Core;
using Reheat.Core.Ring;
using Reheat.Loop.Tests.Fixtures;
using Xunit;

namespace Reheat.Loop.Tests.Agent;

/// <summary>Rings → database: what an independent producer wrote is what is counted.</summary>
public sealed class RingTests : IAsyncLifetime
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
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _database.DisposeAsync();
        _scratch.Dispose();
    }

    [Fact]
    public async Task What_the_producer_recorded_is_counted_site_by_site_through_many_turns_of_the_ring()
    {
        const int Records = 30_000, Sites = 100;
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session, capacity: 1 << 10, rings: 2);
        await using var agent = new RunningAgent(_server.Address, Session, _image.Loaded(), change: o => o with { MaxBatchRecords = 700 });
        await wedge.FeedAsync(seed: 11, Records, Code, step: 1, Sites);
        long[] fed = await wedge.FedAsync(Sites);
        await wedge.CloseAsync();
        await agent.DeliveredAsync();

        await _database.AssertTrapsAsync(Records);
        Assert.Equal(Records, fed.Sum());
        Assert.Equal(Enumerable.Range(0, Sites).ToDictionary(i => (long)Code + i, i => fed[i]), await _database.ByAddressAsync());
        Assert.Equal([(Records, Records, 0, 0)], await _database.RowsAsync<(long, long, long, long)>(
            "SELECT recorded, stored, dropped, pending FROM reheat.accounting"));
    }

    [Fact]
    public async Task A_load_bias_is_taken_off_and_code_outside_every_image_is_counted_apart()
    {
        const long Bias = 0x1e00_0000;
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session);
        await wedge.PushAsync(Code + Bias, repeat: 3);
        await wedge.PushAsync(Code, repeat: 2); // the link address is not where it runs
        await wedge.CommandAsync("outside 0 7");
        await wedge.CloseAsync();
        await using var agent = new RunningAgent(_server.Address, Session, _image.Loaded(Bias));
        await agent.DeliveredAsync();

        Assert.Equal(new Dictionary<long, long> { [(long)Code] = 3 }, await _database.ByAddressAsync());
        Assert.Equal([(5, 3, 0, 9, 0)], await _database.RowsAsync<(long, long, long, long, long)>(
            "SELECT recorded, stored, dropped, outside_images, pending FROM reheat.accounting"));
        Assert.Equal(2, agent.Status.Outside);
    }

    [Fact]
    public async Task A_rep_instruction_is_one_trap_and_each_of_its_elements()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session);
        for (int i = 0; i < 2; i++)
        {
            await wedge.PushAsync(Code);
            await wedge.PushAsync(Code, repeat: 9, flags: RecordFlags.Continued);
        }
        await wedge.PushAsync(Code + 2, elements: 6);
        await wedge.CloseAsync();
        await using var agent = new RunningAgent(_server.Address, Session, _image.Loaded());
        await agent.DeliveredAsync();

        Assert.Equal([(2, 20), (1, 6)], await _database.RowsAsync<(long, long)>(
            "SELECT t.executions, t.elements FROM reheat_data.site_totals t JOIN reheat_data.sites USING (site) ORDER BY address"));
        Assert.Equal((3UL, 21UL), (RingOf().Counters.Traps, RingOf().Head));
    }

    [Fact]
    public async Task Targets_go_by_the_names_of_the_session()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session, targets: ["lapic", "pte"]);
        await wedge.PushAsync(Code, target: 1, operation: Operation.PageTableRead, size: 8);
        await wedge.PushAsync(Code, target: 2); // beyond the names
        await wedge.PushAsync(Code, target: RingFormat.TargetByAddress); // no monitor to ask
        await wedge.CloseAsync();
        await using var agent = new RunningAgent(_server.Address, Session, _image.Loaded());
        await agent.DeliveredAsync();

        Assert.Equal([("pte", 4, 8, 1), ("unknown", 2, 4, 2)], await _database.RowsAsync<(string, int, int, long)>(
            "SELECT g.name, t.operation, t.size, t.executions FROM reheat_data.site_totals t JOIN reheat_data.targets g USING (target) ORDER BY g.name"));
    }

    [Theory]
    [InlineData("FlatView\n AS \"memory\"\n  00000000fee00000-00000000feefffff (prio 0, i/o): apic-msi\n", "lapic")]
    [InlineData("FlatView\n AS \"memory\"\n  00000000fee00000-00000000feef", "unknown")] // cut off
    public async Task What_the_wedge_wrote_of_the_memory_map_when_it_ended_names_targets(string map, string target)
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session);
        await wedge.PushAsync(Code, access: 0xfee000b0, target: RingFormat.TargetByAddress);
        string file = Path.Combine(Session, RingFormat.MemoryMapFile);
        await File.WriteAllTextAsync(file, map, TestContext.Current.CancellationToken);
        await wedge.CloseAsync();
        await using var agent = new RunningAgent(_server.Address, Session, _image.Loaded());
        await agent.DeliveredAsync();

        Assert.Equal([(target, 1)], await _database.RowsAsync<(string, long)>(
            "SELECT g.name, t.executions FROM reheat_data.site_totals t JOIN reheat_data.targets g USING (target)"));
        Assert.Equal(target == "unknown", agent.Log.Warnings.Any(w => w.Contains(file, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task A_corrupted_record_and_an_unknown_operation_are_counted_and_the_rest_is_kept()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session);
        await wedge.PushAsync(Code, repeat: 10);
        await wedge.CommandAsync("sequence 0 4 99");
        await wedge.PushAsync(Code, operation: (Operation)42);
        await wedge.PushAsync(Code, size: 3);
        await wedge.PushAsync(Code, elements: 0);
        await wedge.CloseAsync();
        await using var agent = new RunningAgent(_server.Address, Session, _image.Loaded());
        await agent.DeliveredAsync();

        await _database.AssertTrapsAsync(9);
        Assert.Equal([("corrupt-record", 1, 1), ("unknown-operation", 3, 3)],
            await _database.RowsAsync<(string, long, long)>("SELECT reason, traps, records FROM reheat.drops ORDER BY reason"));
        Assert.Equal([(13, 9, 4, 0)], await _database.RowsAsync<(long, long, long, long)>("SELECT recorded, stored, dropped, pending FROM reheat.accounting"));
        Assert.Equal((1L, 3L), (agent.Status.Corrupt, agent.Status.UnknownOperations));
        Assert.Contains(agent.Log.Warnings, w => w.Contains("position 4", StringComparison.Ordinal) && w.Contains("00000063", StringComparison.Ordinal));
        Assert.Contains(agent.Log.Warnings, w => w.Contains("operation-42", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_found_the_ring_full_is_lost_counted_and_shown()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session, capacity: 64);
        Assert.Equal(64UL, await wedge.PushAsync(Code, repeat: 100));
        await wedge.PushAsync(Code, repeat: 5, flags: RecordFlags.Continued);
        await using var agent = new RunningAgent(_server.Address, Session, _image.Loaded());
        await agent.AcknowledgedAsync(64);
        Assert.Equal(10UL, await wedge.PushAsync(Code, repeat: 10)); // there is room again
        await wedge.CloseAsync();
        await agent.DeliveredAsync();

        await _database.AssertTrapsAsync(74);
        Assert.Equal([(110, 74, 36, 0)], await _database.RowsAsync<(long, long, long, long)>("SELECT recorded, stored, dropped, pending FROM reheat.accounting"));
        Assert.Equal([("ring-full", 36, 41)], await _database.RowsAsync<(string, long, long)>("SELECT reason, traps, records FROM reheat.drops"));
    }

    [Fact]
    public async Task Below_the_head_of_a_killed_producer_nothing_is_lost()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session, rings: 2);
        await using var agent = new RunningAgent(_server.Address, Session, _image.Loaded());
        Task feeding = wedge.FeedAsync(seed: 3, 10_000_000, Code, step: 1, sites: 10, group: 50, pauseMicroseconds: 200);
        await agent.AcknowledgedAsync(2_000);
        await wedge.KillAsync();
        await Assert.ThrowsAsync<InvalidOperationException>(() => feeding);
        await agent.DeliveredAsync();

        ulong heads = 0;
        for (int ring = 0; ring < 2; ring++)
            heads += RingOf(ring).Head;
        Assert.InRange(heads, 2_000UL, ulong.MaxValue);
        await _database.AssertTrapsAsync((long)heads);
    }

    [Fact]
    public async Task A_ring_that_comes_later_is_read_too()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session);
        await wedge.PushAsync(Code, repeat: 10);
        await using var agent = new RunningAgent(_server.Address, Session, _image.Loaded());
        await agent.AcknowledgedAsync(10);
        await wedge.CommandAsync("ring");
        await wedge.PushAsync(Code, repeat: 20, ring: 1);
        await agent.AcknowledgedAsync(30);
        await wedge.CloseAsync();
        await agent.DeliveredAsync();

        await _database.AssertTrapsAsync(30);
        Assert.Equal([10, 20], await _database.RowsAsync<long>("SELECT position FROM reheat_data.marks ORDER BY ring"));
    }

    [Fact]
    public async Task Bytes_of_sites_reach_the_database()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session);
        await wedge.CommandAsync($"code 0x{Code:x} 2 0x078b");
        await wedge.PushAsync(Code);
        await wedge.PushAsync(Code + 0x10);
        await wedge.CloseAsync();
        await using var agent = new RunningAgent(_server.Address, Session, _image.Loaded());
        await agent.DeliveredAsync();

        Assert.Equal(["8b07", null], await _database.RowsAsync<string?>("SELECT encode(code, 'hex') FROM reheat_data.sites ORDER BY address"));
    }

    [Fact]
    public async Task A_second_consumer_is_refused_while_the_first_lives_and_not_after()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session);
        await wedge.PushAsync(Code);
        await using (var first = new RunningAgent(_server.Address, Session, _image.Loaded()))
        {
            await first.AcknowledgedAsync(1);
            await wedge.CommandAsync("consumer 0 4194304"); // beyond the largest process number here, as one of another PID namespace may be
            await using var second = new RunningAgent(_server.Address, Session, _image.Loaded());
            AgentException refused = await Assert.ThrowsAsync<AgentException>(second.DeliveredAsync);
            Assert.Contains("process 4194304 (in its own PID namespace) reads this ring already", refused.Message, StringComparison.Ordinal);
        }
        await wedge.CommandAsync($"consumer 0 {wedge.ProcessId}"); // a number that was used again is no consumer
        await wedge.PushAsync(Code);
        await wedge.CloseAsync();
        await using var heir = new RunningAgent(_server.Address, Session, _image.Loaded());
        await heir.DeliveredAsync();
        await _database.AssertTrapsAsync(2);
    }

    [Fact]
    public async Task A_wedge_of_another_PID_namespace_has_ended_when_it_says_so_or_someone_does()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session);
        await File.AppendAllTextAsync(Path.Combine(Session, "wedge.info"), "pid-namespace 1\n");
        await wedge.PushAsync(Code, repeat: 3);
        await using var agent = new RunningAgent(_server.Address, Session, _image.Loaded());
        await agent.AcknowledgedAsync(3);
        await wedge.KillAsync();
        await Task.Delay(300);

        Assert.False(agent.HasEnded);
        Assert.Contains(agent.Log.Warnings, w => w.Contains("another PID namespace", StringComparison.Ordinal) && w.Contains("--ended", StringComparison.Ordinal));
        agent.WedgeEnded();
        await agent.DeliveredAsync();
        await _database.AssertTrapsAsync(3);
    }

    [Fact]
    public async Task Records_that_the_collector_never_takes_are_given_up_and_counted_and_the_others_are_kept()
    {
        await _database.ExecuteAsync($"ALTER TABLE reheat_data.sites ADD CONSTRAINT unwanted CHECK (address <> {Code + 7})");
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session);
        await wedge.PushAsync(Code, repeat: 1000);
        await wedge.PushAsync(Code + 7);
        await wedge.PushAsync(Code, repeat: 1000);
        await wedge.CloseAsync();
        await using var agent = new RunningAgent(_server.Address, Session, _image.Loaded(), errorsExpected: true);
        await agent.DeliveredAsync();

        (long recorded, long stored, long dropped, long pending) = Assert.Single(await _database.RowsAsync<(long, long, long, long)>(
            "SELECT recorded, stored, dropped, pending FROM reheat.accounting"));
        Assert.Equal((2001, 2001, 0), (recorded, stored + dropped, pending));
        Assert.InRange(dropped, 1, 64);
        Assert.Equal([("refused", dropped, dropped)], await _database.RowsAsync<(string, long, long)>("SELECT reason, traps, records FROM reheat.drops"));
        Assert.Contains("unwanted", Assert.Single(agent.Log.Errors), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Records_that_are_given_up_are_few_where_the_collector_takes_small_batches()
    {
        const int Sites = 120;
        await _database.ExecuteAsync($"ALTER TABLE reheat_data.sites ADD CONSTRAINT unwanted CHECK (address <> {Code + 100})");
        await using LoopServer small = await LoopServer.StartAsync(_database.ConnectionString, change: o => o with { MaxBatchRows = 8 });
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session);
        for (uint site = 0; site < Sites; site++)
            await wedge.PushAsync(Code + site);
        await wedge.CloseAsync();
        await using var agent = new RunningAgent(small.Address, Session, _image.Loaded(), errorsExpected: true);
        await agent.DeliveredAsync();

        long dropped = await _database.ValueAsync<long>("SELECT dropped FROM reheat.accounting");
        Assert.InRange(dropped, 1, 8);
        await _database.AssertTrapsAsync(Sites - dropped);
        Assert.All(agent.Log.Errors, e => Assert.Contains("unwanted", e, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Counters_that_the_collector_never_takes_stop_the_agent_with_its_reason_once_the_records_are_stored()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session);
        await wedge.PushAsync(Code, repeat: 1000);
        await wedge.CommandAsync($"outside 0 {1UL << 60}");
        await wedge.CloseAsync();
        await using var agent = new RunningAgent(_server.Address, Session, _image.Loaded());

        AgentException stopped = await Assert.ThrowsAsync<AgentException>(agent.DeliveredAsync);

        Assert.Contains($"counters say {1UL << 60}", stopped.Message, StringComparison.Ordinal);
        await _database.AssertTrapsAsync(1000);
    }

    [Fact]
    public async Task A_database_that_went_back_is_told_how_many_records_are_gone()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session);
        await wedge.PushAsync(Code, repeat: 10);
        await using (var agent = new RunningAgent(_server.Address, Session, _image.Loaded()))
            await agent.AcknowledgedAsync(10);
        await _database.ExecuteAsync("TRUNCATE reheat_data.marks, reheat_data.counts, reheat_data.site_totals");
        await wedge.PushAsync(Code, repeat: 5);
        await wedge.CloseAsync();
        await using var later = new RunningAgent(_server.Address, Session, _image.Loaded(), errorsExpected: true);
        await later.DeliveredAsync();

        await _database.AssertTrapsAsync(5);
        Assert.Equal([("mark-went-back", 10)], await _database.RowsAsync<(string, long)>("SELECT reason, records FROM reheat.drops"));
        Assert.Contains("10 records are gone", Assert.Single(later.Log.Errors), StringComparison.Ordinal);
    }

    private (ulong Head, RingCounters Counters) RingOf(int ring = 0)
    {
        using RingFile file = RingFile.Open(Path.Combine(Session, $"ring-{ring}"), out _)!;
        return (file.Head, file.Counters);
    }
}
