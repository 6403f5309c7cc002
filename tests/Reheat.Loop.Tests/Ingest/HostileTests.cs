using Grpc.Core;
using Reheat.Loop.Tests.Fixtures;
using Reheat.Store.Lists;
using Reheat.V1;
using Xunit;

namespace Reheat.Loop.Tests.Ingest;

/// <summary>Counts that no machine reaches, names without end, answers unread: an agent that sends them harms nobody else's stream.</summary>
public sealed class HostileTests : IAsyncLifetime
{
    private const ulong Huge = 1UL << 48;

    private TestDatabase _database = null!;
    private LoopServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await TestCluster.Instance.CreateAsync();
        _server = await LoopServer.StartAsync(_database.ConnectionString);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _database.DisposeAsync();
    }

    [Fact]
    public async Task Rows_whose_sum_would_pass_64_bits_are_refused()
    {
        using RawStream stream = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w"));
        SiteKind hit = RawStream.Kind();
        hit.Outcome = Outcome.Hit;
        var batch = new Batch { To = 1, NewSites = new SiteColumns { NewKinds = { hit }, AddressDelta = { 1 }, Kind = { 0 } } };
        for (int i = 0; i < 40_000; i++)
        {
            batch.Site.Add(0);
            batch.Traps.Add(Huge);
        }
        await stream.SendAsync(batch);

        Status end = await stream.EndAsync();
        Assert.Equal(StatusCode.InvalidArgument, end.StatusCode);
        Assert.Contains("at most 2^48", end.Detail, StringComparison.Ordinal);
        await AssertOthersGoOnAsync();
    }

    [Fact]
    public async Task Counters_that_the_accounts_could_not_add_up_are_refused()
    {
        using RawStream stream = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w", h => h.Rings.Add(1)));
        Batch batch = stream.Batch(0, 1, (1, 1));
        batch.Counters = new RingCounters { Traps = ulong.MaxValue };
        await stream.SendAsync(batch);

        Status end = await stream.EndAsync();
        Assert.Equal(StatusCode.InvalidArgument, end.StatusCode);
        Assert.Contains("18446744073709551615", end.Detail, StringComparison.Ordinal);
        await AssertOthersGoOnAsync();
    }

    [Fact]
    public async Task Sums_stay_at_the_largest_number_and_everyone_goes_on()
    {
        using RawStream stream = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w", h => h.Rings.Add(1)));
        SiteKind hit = RawStream.Kind();
        hit.Outcome = Outcome.Hit;
        Batch First(uint ring) => new()
        {
            Ring = ring,
            To = 1,
            NewSites = ring == 0 ? new SiteColumns { NewKinds = { RawStream.Kind(), hit }, AddressDelta = { 1, 0 }, Kind = { 0, 1 } } : null,
            Site = { 0, 1 },
            Traps = { 1, 1 },
            Drops = { new Drop { Reason = DropReason.CorruptRecord, Records = 1 } },
            Counters = new RingCounters { Traps = 1 },
        };
        await stream.CountAsync(First(0));
        await stream.CountAsync(First(1));
        await _database.ExecuteAsync(
            """
            UPDATE reheat_data.site_totals SET executions = @most, elements = @most;
            UPDATE reheat_data.counts SET executions = @most, elements = @most;
            UPDATE reheat_data.drops SET traps = @most, records = @most;
            UPDATE reheat_data.marks SET stored_traps = @most, stored_hits = @most, wedge_traps = @most, outside_traps = @most, ring_full_traps = @most,
                ring_full_records = @most, spurious = @most, clamped_traps = @most;
            INSERT INTO reheat_data.builds (series, label, images_sha256) VALUES ('s', '', '');
            INSERT INTO reheat_data.images (build_id, name, machine, file_size) VALUES (@id, 'vmlinux', 62, 1);
            INSERT INTO reheat_data.build_images SELECT 1, build_id, 0 FROM reheat_data.images;
            INSERT INTO reheat_data.annotated_sites SELECT site, 'lapic', build_id, address, address + 5, 2 FROM reheat_data.sites;
            """, new { most = long.MaxValue, id = RawStream.BuildId });

        using RawStream other = await RawStream.OpenAsync(_server.Address, RawStream.Hello("other"));
        Batch more = First(0);
        more.Traps[1] = Huge - 10;
        Assert.Equal(1UL, await other.CountAsync(more));
        (more.From, more.To, more.NewSites) = (1, 2, null);
        await stream.CountAsync(more);

        // Kinds of count and not rows: a minute may have ended in between.
        foreach (string column in (string[])["executions", "elements"])
        {
            foreach (string table in (string[])["site_totals", "counts"])
                Assert.Equal(2, await _database.ValueAsync<long>($"SELECT count(DISTINCT (site, outcome)) FROM reheat_data.{table} WHERE {column} = @most", new { most = long.MaxValue }));
        }
        foreach (string view in (string[])["builds", "sites", "residual_sites", "coverage", "trap_rate", "accounting", "drops", "unregistered_images"])
            Assert.InRange((await _database.RowsAsync<object>($"SELECT * FROM reheat.{view}")).Count, view == "unregistered_images" ? 0 : 1, 9);
        Assert.Equal(long.MaxValue, (await _server.Coverage.GetAccountingAsync(new AccountingRequest { Summary = true })).Summary.Stored is var sum ? (long)sum : 0);
        CoverageRow row = Assert.Single((await _server.Coverage.GetCoverageAsync(new BuildSelector())).Rows);
        Assert.Equal((long.MaxValue, 0.5), ((long)row.Hits, Math.Round(row.Coverage, 6)));
        Assert.Single(await new VerdictStore(_database.Source).ObservedAsync(1, CancellationToken.None));
    }

    [Fact]
    public async Task A_batch_that_the_database_cannot_hold_is_refused_alone()
    {
        await _database.ExecuteAsync("ALTER TABLE reheat_data.sites ADD CONSTRAINT unwanted CHECK (address <> 666)");
        using RawStream stream = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w"));
        await stream.CountAsync(stream.Batch(0, 1, (1, 1)));

        await stream.SendAsync(stream.Batch(1, 2, (666, 1)));
        BatchRefused refused = await stream.RefusedBatchAsync();

        Assert.Equal((RefusalReason.Malformed, 1UL), (refused.Reason, refused.Expected));
        Assert.Contains("unwanted", refused.Message, StringComparison.Ordinal);
        using RawStream other = await RawStream.OpenAsync(_server.Address, RawStream.Hello("other"));
        Assert.Equal(1UL, await other.CountAsync(other.Batch(0, 1, (2, 1))));
        await stream.SendAsync(stream.Batch(1, 2, (666, 1)));
        await other.SendAsync(other.Batch(1, 2, (2, 1)));
        Assert.Equal(2UL, await other.AckAsync());
        Assert.Equal(1, await _database.ValueAsync<long>("SELECT position FROM reheat_data.marks WHERE wedge = 'w'"));
    }

    [Fact]
    public async Task Names_of_targets_are_limited_and_those_that_are_there_stay_good()
    {
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, change: o => o with { MaxTargets = 3 });
        for (int i = 0; i < 3; i++)
            await CountAsync($"w{i}", $"device{i}");

        using RawStream stream = await RawStream.OpenAsync(server.Address, RawStream.Hello("hostile"));
        await stream.SendAsync(Named("device3"));
        Status end = await stream.EndAsync();

        Assert.Equal(StatusCode.ResourceExhausted, end.StatusCode);
        Assert.Contains("target \"device3\" is new, and there are 3 target names of database: at most 3 a database (Collector:MaxTargets)", end.Detail, StringComparison.Ordinal);
        await CountAsync("honest", "device1");
        Assert.Equal(3, await _database.ValueAsync<long>("SELECT max(target) FROM reheat_data.targets"));

        async Task CountAsync(string wedge, string target)
        {
            using RawStream stream = await RawStream.OpenAsync(server.Address, RawStream.Hello(wedge));
            await stream.CountAsync(Named(target));
        }

        static Batch Named(string target)
        {
            SiteKind kind = RawStream.Kind();
            kind.Target = target;
            return new Batch { To = 1, NewSites = new SiteColumns { NewKinds = { kind }, AddressDelta = { 1 }, Kind = { 0 } }, Site = { 0 } };
        }
    }

    [Fact]
    public async Task A_client_that_reads_no_answers_is_ended_and_others_are_served()
    {
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, change: o => o with { MaxUnreadAnswers = 8 });
        using RawStream deaf = await RawStream.OpenAsync(server.Address, RawStream.Hello("deaf"));
        // The question for their bytes is larger than what connections hold unread.
        await deaf.SendAsync(deaf.Batch(0, 90_000, [.. Enumerable.Range(0, 90_000).Select(i => ((ulong)i, 1UL))]));
        Task sending = Task.Run(async () =>
        {
            for (int i = 0; i < 10_000; i++)
            {
                await deaf.SendAsync(deaf.Batch(90_000, 90_000));
                await Task.Delay(5); // one answer is for all that is committed together
            }
        });
        await Eventually.HoldsAsync(() => Task.FromResult(server.Log.Warnings.Any(w => w.Contains("unread", StringComparison.Ordinal)) || sending.IsFaulted), "the stream was ended");
        using RawStream other = await RawStream.OpenAsync(server.Address, RawStream.Hello("other"));
        Assert.Equal(1UL, await other.CountAsync(other.Batch(0, 1, (1, 1))));

        Status end = await deaf.EndAsync();
        await sending.ContinueWith(_ => { }, TaskScheduler.Default);
        Assert.Equal(StatusCode.ResourceExhausted, end.StatusCode);
        Assert.Contains("leaves 8 answers unread: at most 8", end.Detail, StringComparison.Ordinal);
    }

    private async Task AssertOthersGoOnAsync()
    {
        using RawStream other = await RawStream.OpenAsync(_server.Address, RawStream.Hello("other"));
        await other.CountAsync(other.Batch(0, 5, (1, 5)));
        await _database.AssertTrapsAsync(5);
        Assert.Equal(5, await _database.ValueAsync<long>("SELECT sum(stored) FROM reheat.accounting"));
    }
}
