using Reheat.Loop.Tests.Fixtures;
using Reheat.Store.Storage;
using Xunit;

namespace Reheat.Loop.Tests.Storage;

/// <summary>An hour of a fleet in seconds: what the database holds is sites × minutes, whatever the number of wedges and traps; rolled up it is sites.</summary>
public sealed class FleetHourTests : IAsyncLifetime
{
    private const int Wedges = 20, Sites = 50, Minutes = 60;

    private static readonly DateTimeOffset Begin = new(2026, 6, 15, 12, 0, 5, TimeSpan.Zero);

    private readonly SetClock _clock = new(Begin);
    private TestDatabase _database = null!;

    public async ValueTask InitializeAsync() => _database = await TestCluster.Instance.CreateAsync();

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    [Fact]
    public async Task Rows_are_sites_times_minutes_and_after_retention_sites()
    {
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, clock: _clock);
        RawStream[] wedges = await Task.WhenAll(Enumerable.Range(0, Wedges).Select(i => RawStream.OpenAsync(
            server.Address, RawStream.Hello($"w{i}", h => h.EpochUnixNs = Begin.ToUnixTimeSeconds() * 1_000_000_000))));
        (ulong, ulong)[] rows = [.. Enumerable.Range(0, Sites).Select(s => (0x1000UL + (ulong)s, 1_000UL))];
        const ulong Each = Sites * 1_000;
        for (ulong minute = 0; minute < Minutes; minute++)
        {
            _clock.Now = Begin.AddMinutes(minute);
            await Task.WhenAll(wedges.Select(async w => Assert.Equal((minute + 1) * Each, await w.CountAsync(w.Batch(minute * Each, (minute + 1) * Each, rows)))));
        }

        await _database.AssertTrapsAsync((long)Each * Minutes * Wedges);
        Assert.Equal(Sites * Minutes, await _database.ValueAsync<long>("SELECT count(*) FROM reheat_data.counts"));
        Assert.Equal(Sites, await _database.ValueAsync<long>("SELECT count(*) FROM reheat_data.site_totals"));
        Assert.Equal(Wedges, await _database.ValueAsync<long>("SELECT count(*) FROM reheat_data.marks"));
        // Rows are updated as wedges add to them; what that leaves behind is taken again, not added to.
        await _database.ExecuteAsync("VACUUM reheat_data.counts");
        long bytes = await BytesAsync("counts");
        Assert.InRange(bytes, 1, (Sites * Minutes * 400) + (16 * 8192));

        var store = new PartitionStore(_database.Source);
        await store.KeepAsync(Begin.AddDays(4), TimeSpan.FromDays(2), TimeSpan.FromDays(30), TimeSpan.FromDays(400), CancellationToken.None);
        Assert.Equal(0, await _database.ValueAsync<long>("SELECT count(*) FROM reheat_data.counts"));
        Assert.Equal([(Sites, (long)Each * Minutes * Wedges)], await _database.RowsAsync<(long, long)>("SELECT count(*), sum(executions)::bigint FROM reheat_data.counts_hour"));
        Assert.InRange(await BytesAsync("counts") + await BytesAsync("counts_hour"), 1, bytes / 2);
        await store.KeepAsync(Begin.AddDays(900), TimeSpan.FromDays(2), TimeSpan.FromDays(30), TimeSpan.FromDays(400), CancellationToken.None);
        Assert.Equal(0, await _database.ValueAsync<long>("SELECT (SELECT count(*) FROM reheat_data.counts_hour) + (SELECT count(*) FROM reheat_data.counts_day)"));
        Assert.Equal((long)Each * Minutes * Wedges, await _database.ValueAsync<long>("SELECT sum(executions)::bigint FROM reheat_data.site_totals"));
        foreach (RawStream wedge in wedges)
            wedge.Dispose();
    }

    private Task<long> BytesAsync(string relation) => _database.ValueAsync<long>("SELECT bytes FROM reheat.storage WHERE relation = @relation", new { relation });
}
