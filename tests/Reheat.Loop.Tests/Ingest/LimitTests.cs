using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Grpc.Core;
using Reheat.Agent;
using Reheat.Collector.Ingest;
using Reheat.Collector.Limits;
using Reheat.Core;
using Reheat.Loop.Tests.Fixtures;
using Reheat.Store.Ingest;
using Reheat.V1;
using Xunit;

namespace Reheat.Loop.Tests.Ingest;

/// <summary>Limits by wedge and by token: what is refused names limit and value, is counted, and harms nobody else.</summary>
public sealed class LimitTests : IAsyncLifetime
{
    private TestDatabase _database = null!;

    public async ValueTask InitializeAsync() => _database = await TestCluster.Instance.CreateAsync();

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    [Fact]
    public async Task Streams_are_limited_over_all()
    {
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, change: o => o with { MaxStreams = 2 });
        using RawStream one = await RawStream.OpenAsync(server.Address, RawStream.Hello("one"));
        using (await RawStream.OpenAsync(server.Address, RawStream.Hello("two")))
        {
            Status third = await RawStream.RefusedAsync(server.Address, RawStream.Hello("three"));
            Assert.Equal(StatusCode.Unavailable, third.StatusCode); // it may come again
            Assert.Contains("the collector has 2 streams: at most 2 (Collector:MaxStreams)", third.Detail, StringComparison.Ordinal);
        }
        await Eventually.HoldsAsync(async () => (await RawStream.RefusedAsync(server.Address, RawStream.Hello("three", h => h.Rings.Add(0)))).StatusCode == StatusCode.InvalidArgument, "a place is free again");
        await RefusedAsync("wedge:three", "MaxStreams", 2, 3);
    }

    [Fact]
    public async Task Images_are_limited()
    {
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, change: o => o with { MaxImages = 1 });

        Status refused = await RawStream.RefusedAsync(server.Address, RawStream.Hello("w", h => h.Images.Add(h.Images[0])));

        Assert.Contains("names 2 images: at most 1 a stream (Collector:MaxImages)", refused.Detail, StringComparison.Ordinal);
        await RefusedAsync("wedge:w", "MaxImages", 1, 2);
    }

    [Fact]
    public async Task Rows_of_a_batch_are_limited_and_the_refusal_is_counted()
    {
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, change: o => o with { MaxBatchRows = 2 });
        using RawStream stream = await RawStream.OpenAsync(server.Address, RawStream.Hello("w"));
        await stream.SendAsync(stream.Batch(0, 5, (1, 1), (1, 1), (1, 1)));

        Assert.Equal(StatusCode.ResourceExhausted, (await stream.EndAsync()).StatusCode);
        await RefusedAsync("wedge:w", "MaxBatchRows", 2, 3);
    }

    [Fact]
    public async Task Sites_that_a_wedge_adds_to_the_database_are_limited_over_its_streams_and_what_is_known_is_not()
    {
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, change: o => o with { MaxNewSites = 2 });
        using (RawStream other = await RawStream.OpenAsync(server.Address, RawStream.Hello("other")))
            await other.CountAsync(other.Batch(0, 2, (0x5000, 1), (0x6000, 1)));
        using (RawStream first = await RawStream.OpenAsync(server.Address, RawStream.Hello("w")))
            await first.CountAsync(first.Batch(0, 2, (0x1000, 1), (0x2000, 1)));
        using RawStream stream = await RawStream.OpenAsync(server.Address, RawStream.Hello("w"));

        await stream.SendAsync(stream.Batch(2, 4, (0x1000, 1), (0x3000, 1)));
        BatchRefused refused = await stream.RefusedBatchAsync();
        Assert.Equal(RefusalReason.Limit, refused.Reason);
        Assert.Contains("wedge:w has added 2 sites and names 1 more: at most 2 a wedge (Collector:MaxNewSites)", refused.Message, StringComparison.Ordinal);
        Assert.Equal(4UL, await stream.CountAsync(stream.Batch(2, 4, (0x1000, 1), (0x5000, 1))));

        await _database.AssertTrapsAsync(6);
        Assert.Equal(4, await _database.ValueAsync<long>("SELECT count(*) FROM reheat_data.sites"));
        await RefusedAsync("wedge:w", "MaxNewSites", 2, 3);
    }

    [Fact]
    public async Task A_wedge_that_is_too_fast_waits_and_loses_nothing()
    {
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, change: o => o with { MaxRecordsPerSecond = 1_000 });
        using RawStream stream = await RawStream.OpenAsync(server.Address, RawStream.Hello("w"));
        var clock = Stopwatch.StartNew();
        for (ulong i = 0; i < 4; i++)
            await stream.SendAsync(stream.Batch(i * 1_000, (i + 1) * 1_000, (0x1000, 1_000)));
        SlowDown slow = (await stream.NextAsync(IngestResponse.MessageOneofCase.SlowDown)).SlowDown;
        Assert.Contains("more than 1000 records a second (Collector:MaxRecordsPerSecond)", slow.Reason, StringComparison.Ordinal);
        while (await stream.AckAsync() < 4_000)
        {
        }

        // A second's worth may come at once, and the last is taken before it must wait.
        Assert.InRange(clock.Elapsed, TimeSpan.FromSeconds(1.5), TimeSpan.FromMinutes(1));
        await _database.AssertTrapsAsync(4_000);
        await Eventually.HoldsAsync(async () => await _database.ValueAsync<long>("SELECT count(*) FROM reheat.refusals WHERE limit_name = 'MaxRecordsPerSecond'") == 1, "it is counted");
    }

    [Fact]
    public async Task Tokens_are_asked_for_where_there_are_any_and_each_has_limits_of_its_own()
    {
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, change: o => o with { Tokens = [Token("one", "secret-one"), Token("two", "secret-two")] });

        Status without = await RawStream.RefusedAsync(server.Address, RawStream.Hello("w"));
        Assert.Equal(StatusCode.Unauthenticated, without.StatusCode);
        Assert.Contains("none of the 2 tokens", without.Detail, StringComparison.Ordinal);
        Assert.Equal(StatusCode.Unauthenticated, (await RawStream.RefusedAsync(server.Address, RawStream.Hello("w"), "secret-three")).StatusCode);
        using RawStream one = await RawStream.OpenAsync(server.Address, RawStream.Hello("a"), "secret-one");
        using RawStream two = await RawStream.OpenAsync(server.Address, RawStream.Hello("b"), "secret-two");
        Status full = await RawStream.RefusedAsync(server.Address, RawStream.Hello("c"), "secret-one");
        Assert.Contains("token one has 1 streams: at most 1 (Collector:Tokens:MaxStreams)", full.Detail, StringComparison.Ordinal);
        await RefusedAsync("token:one", "Tokens:MaxStreams", 1, 2);
    }

    [Fact]
    public async Task A_token_limits_what_its_wedges_send_and_what_they_add_together()
    {
        TokenOptions token = Token("one", "secret-one") with { MaxStreams = 0, MaxBatchRows = 3, MaxNewSites = 4 };
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, change: o => o with { Tokens = [token, Token("two", "secret-two")] });
        using (RawStream first = await RawStream.OpenAsync(server.Address, RawStream.Hello("a"), "secret-one"))
        {
            Assert.Equal(3U, first.Welcome.Limits.MaxBatchRows);
            await first.CountAsync(first.Batch(0, 3, (0x1000, 1), (0x2000, 1), (0x3000, 1)));
            await first.SendAsync(first.Batch(3, 7, (0x1000, 1), (0x2000, 1), (0x3000, 1), (0x3100, 1)));
            Assert.Contains("at most 3 a batch (Collector:Tokens:MaxBatchRows)", (await first.EndAsync()).Detail, StringComparison.Ordinal);
        }
        // Another name, the same token; and a collector that has not counted for it yet.
        await using LoopServer other = await LoopServer.StartAsync(_database.ConnectionString, change: o => o with { Tokens = [token] });
        using RawStream second = await RawStream.OpenAsync(other.Address, RawStream.Hello("b"), "secret-one");
        await second.CountAsync(second.Batch(0, 1, (0x4000, 1)));
        await second.SendAsync(second.Batch(1, 2, (0x5000, 1)));
        Assert.Contains("token:one has added 4 sites and names 1 more: at most 4 a token (Collector:Tokens:MaxNewSites)", (await second.RefusedBatchAsync()).Message, StringComparison.Ordinal);
        using RawStream third = await RawStream.OpenAsync(server.Address, RawStream.Hello("c"), "secret-two");
        await third.CountAsync(third.Batch(0, 1, (0x5000, 1)));

        await _database.AssertTrapsAsync(5);
        Assert.Equal([("one", 4L), ("two", 1L)], await _database.RowsAsync<(string, long)>("SELECT token, new_sites FROM reheat_data.token_sites ORDER BY token"));
        await RefusedAsync("token:one", "Tokens:MaxBatchRows", 3, 4);
        await RefusedAsync("token:one", "Tokens:MaxNewSites", 4, 5);
    }

    [Fact]
    public async Task A_token_does_not_take_all_names_of_targets_under_many_names_of_wedges()
    {
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, change: o => o with { MaxNewTargets = 1, Tokens = [Token("one", "secret-one") with { MaxStreams = 0 }] });
        using RawStream first = await RawStream.OpenAsync(server.Address, RawStream.Hello("a"), "secret-one");
        await first.CountAsync(first.Batch(0, 1, (0x1000, 1)));
        using RawStream second = await RawStream.OpenAsync(server.Address, RawStream.Hello("b"), "secret-one");
        Batch batch = second.Batch(0, 1, (0x1000, 1));
        batch.NewSites.NewKinds[0].Target = "another";
        await second.SendAsync(batch);

        Assert.Contains("target names of token:one", (await second.EndAsync()).Detail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task One_wedge_does_not_take_all_names_of_targets()
    {
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, change: o => o with { MaxNewTargets = 2 });
        using (RawStream greedy = await RawStream.OpenAsync(server.Address, RawStream.Hello("greedy")))
        {
            await greedy.SendAsync(Naming(greedy, "lapic", "a", "b"));
            Status end = await greedy.EndAsync();
            Assert.Equal(StatusCode.ResourceExhausted, end.StatusCode);
            Assert.Contains("there are 2 target names of wedge:greedy: at most 2 a wedge or token (Collector:MaxNewTargets)", end.Detail, StringComparison.Ordinal);
            await RefusedAsync("wedge:greedy", "MaxNewTargets", 2, 3);
        }
        using RawStream modest = await RawStream.OpenAsync(server.Address, RawStream.Hello("modest"));
        await modest.CountAsync(Naming(modest, "a", "c", "d"));

        static Batch Naming(RawStream stream, params string[] targets)
        {
            Batch batch = stream.Batch(0, 1, (0x1000, 1));
            batch.NewSites.NewKinds.Clear();
            foreach (string target in targets)
            {
                SiteKind kind = RawStream.Kind();
                kind.Target = target;
                batch.NewSites.NewKinds.Add(kind);
            }
            return batch;
        }
    }

    [Fact]
    public async Task What_open_streams_count_is_limited_and_old_streams_are_ended_to_make_room()
    {
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, change: o => o with { MaxKeys = 2 });
        using RawStream one = await RawStream.OpenAsync(server.Address, RawStream.Hello("one"));
        await one.CountAsync(one.Batch(0, 1, (0x1000, 1)));
        using RawStream two = await RawStream.OpenAsync(server.Address, RawStream.Hello("two"));
        await two.CountAsync(two.Batch(0, 1, (0x1000, 1)));
        await two.SendAsync(two.Batch(1, 2, (0x3000, 1)));

        Status full = await two.EndAsync();
        Assert.Equal(StatusCode.Unavailable, full.StatusCode); // it may come again
        Assert.Contains("count 2 distinct things: at most 2 a collector (Collector:MaxKeys)", full.Detail, StringComparison.Ordinal);
        await RefusedAsync("collector", "MaxKeys", 2, 3);
        Status old = await one.EndAsync(); // it holds a table that no new stream gets
        Assert.Equal(StatusCode.Unavailable, old.StatusCode);
        Assert.Contains("Collector:MaxKeys) — connect again", old.Detail, StringComparison.Ordinal);
        await Eventually.HoldsAsync(
            async () =>
            {
                using RawStream three = await RawStream.OpenAsync(server.Address, RawStream.Hello("two"));
                try
                {
                    return await three.CountAsync(three.Batch(1, 3, (0x3000, 1), (0x4000, 1))) == 3;
                }
                catch (RpcException e) when (e.StatusCode == StatusCode.Unavailable)
                {
                    return false;
                }
            }, "there is room again");
    }

    [Fact]
    public void A_table_gives_its_keys_back_when_the_last_stream_leaves_it()
    {
        var budget = new KeyBudget(8);
        var tables = new KeyTables(budget);
        int ended = 0;
        KeyTables.Held first = tables.Enter(() => ended++), second = tables.Enter(() => ended++);
        Assert.Same(first.Table, second.Table);
        int[] numbers = [.. Enumerable.Range(0, 10).Select(i => first.Table.NumberOf(new CountKey(new SiteId(i), default, 4, 1, default), default))];
        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7, -1, -1], numbers);

        first.MakeRoom(); // nothing is left yet
        using KeyTables.Held third = tables.Enter(() => ended = 99); // the first is well filled
        Assert.NotSame(first.Table, third.Table);
        Assert.Equal((0, false), (ended, first.IsEnding));
        third.MakeRoom();
        third.MakeRoom(); // its own is not left
        Assert.Equal((2, true, true, false), (ended, first.IsEnding, second.IsEnding, third.IsEnding));
        first.Dispose();
        first.Dispose();
        Assert.Equal(8, budget.Held);
        second.Dispose();
        Assert.Equal(0, budget.Held);
        int generation = tables.Generation;
        tables.Clear();
        Assert.NotEqual(generation, tables.Generation);
    }

    [Fact]
    public async Task The_agent_gives_its_token_and_says_when_it_has_the_wrong_one()
    {
        using var scratch = new Scratch();
        TokenOptions token = new() { Name = "ours", Sha256 = Convert.ToHexString(SHA256.HashData("right"u8)) };
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, change: o => o with { Tokens = [token] });
        using WedgeProcess wedge = await WedgeProcess.StartAsync(scratch.File("session"));
        await wedge.PushAsync(0x401000, repeat: 3);
        await wedge.CloseAsync();
        await using (var wrong = new RunningAgent(server.Address, scratch.File("session"), TestImage.Get().Loaded(), change: o => o with { Token = "wrong" }, errorsExpected: true))
            Assert.Contains("none of the 1 tokens", (await Assert.ThrowsAsync<AgentException>(wrong.DeliveredAsync)).Message, StringComparison.Ordinal);

        await using var right = new RunningAgent(server.Address, scratch.File("session"), TestImage.Get().Loaded(), change: o => o with { Token = "right" });
        await right.DeliveredAsync();

        await _database.AssertTrapsAsync(3);
    }

    [Fact]
    public async Task A_hello_whose_word_on_checksums_was_changed_is_found_out()
    {
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString);
        IngestRequest request = IngestRequest.Parser.ParseFrom(MessageChecksum.Encode(new IngestRequest { Hello = RawStream.Hello("w", h => h.Checksums = true) }));
        request.Hello.Checksums = false;
        using RawStream stream = await RawStream.OpenWithAsync(server.Address, request);

        Assert.Equal(StatusCode.DataLoss, (await stream.EndAsync()).StatusCode);
    }

    [Fact]
    public async Task A_request_whose_checksum_is_wrong_is_not_counted()
    {
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString);
        using RawStream stream = await RawStream.OpenWithAsync(server.Address, Checked(new IngestRequest { Hello = RawStream.Hello("w", h => h.Checksums = true) }));
        await stream.NextAsync();
        IngestRequest request = Checked(new IngestRequest { Batch = stream.Batch(0, 10, (0x1000, 4)) });
        request.Batch.Traps[0] = 5;
        await stream.SendAsync(request);

        Assert.Equal(StatusCode.DataLoss, (await stream.EndAsync()).StatusCode);
        await _database.AssertTrapsAsync(0);

        static IngestRequest Checked(IngestRequest request) => IngestRequest.Parser.ParseFrom(MessageChecksum.Encode(request));
    }

    private static TokenOptions Token(string name, string token) =>
        new() { Name = name, Sha256 = Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(token))), MaxStreams = 1 };

    private Task RefusedAsync(string subject, string limit, long allowed, long asked) => Eventually.HoldsAsync(
        async () => (await _database.RowsAsync<(string, string, long, long)>("SELECT subject, limit_name, limit_value, last_value FROM reheat.refusals")).Contains((subject, limit, allowed, asked)),
        $"{subject} is counted at {limit}");
}
