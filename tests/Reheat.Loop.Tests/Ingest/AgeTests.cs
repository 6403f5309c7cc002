using Reheat.Loop.Tests.Fixtures;
using Reheat.V1;
using Xunit;

namespace Reheat.Loop.Tests.Ingest;

/// <summary>Time buckets: receive time minus the batch's age, clamped to retention.</summary>
public sealed class AgeTests : IAsyncLifetime
{
    private static readonly DateTimeOffset Noon = new(2026, 3, 1, 12, 0, 30, TimeSpan.Zero);

    private readonly SetClock _clock = new(Noon);
    private TestDatabase _database = null!;
    private LoopServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await TestCluster.Instance.CreateAsync();
        _server = await LoopServer.StartAsync(_database.ConnectionString, clock: _clock, change: o => o with { Retention = TimeSpan.FromDays(2) });
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _database.DisposeAsync();
    }

    [Fact]
    public async Task An_age_counts_in_the_minute_and_the_day_that_it_tells_and_beyond_retention_in_the_oldest()
    {
        using RawStream stream = await RawStream.OpenAsync(_server.Address, HelloOf(Noon));
        (TimeSpan Age, ulong Traps)[] batches = [(TimeSpan.Zero, 1), (TimeSpan.FromSeconds(31), 2), (TimeSpan.FromHours(13), 4), (TimeSpan.FromDays(3), 8)];
        ulong at = 0;
        foreach ((TimeSpan age, ulong traps) in batches)
        {
            Batch batch = stream.Batch(at, at + traps, (0x1000, traps));
            batch.AgeNs = (ulong)age.TotalNanoseconds;
            at = await stream.CountAsync(batch);
        }

        Assert.Equal(
            [(new DateTime(2026, 2, 27, 12, 0, 0), 8), (new DateTime(2026, 2, 28, 23, 0, 0), 4), (new DateTime(2026, 3, 1, 11, 59, 0), 2), (new DateTime(2026, 3, 1, 12, 0, 0), 1)],
            await _database.RowsAsync<(DateTime, long)>("SELECT bucket AT TIME ZONE 'UTC', executions FROM reheat_data.counts ORDER BY bucket"));
        Assert.Equal(8, await _database.ValueAsync<long>("SELECT clamped_traps FROM reheat_data.marks"));
        await _database.AssertTrapsAsync(15);
    }

    [Fact]
    public async Task An_epoch_older_than_retention_is_refused_and_one_within_it_taken()
    {
        Grpc.Core.Status refused = await RawStream.RefusedAsync(_server.Address, HelloOf(Noon - TimeSpan.FromHours(49)));

        Assert.Equal(Grpc.Core.StatusCode.FailedPrecondition, refused.StatusCode);
        Assert.Contains("0000000000001234", refused.Detail, StringComparison.Ordinal);
        Assert.Contains("2 days", refused.Detail, StringComparison.Ordinal);
        Assert.Equal(0, await _database.ValueAsync<long>("SELECT count(*) FROM reheat_data.marks"));
        using RawStream stream = await RawStream.OpenAsync(_server.Address, HelloOf(Noon - TimeSpan.FromHours(47)));
    }

    private static Hello HelloOf(DateTimeOffset began) => RawStream.Hello("w", h => h.EpochUnixNs = began.ToUnixTimeSeconds() * 1_000_000_000);
}
