using Grpc.Core;
using Reheat.Loop.Tests.Fixtures;
using Reheat.V1;
using Xunit;

namespace Reheat.Loop.Tests.Ingest;

/// <summary>Counts that no machine reaches: an agent that sends them harms neither the sums nor anyone else's stream.</summary>
public sealed class HostileCountTests : IAsyncLifetime
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
    public async Task A_batch_that_the_database_cannot_add_is_refused_alone()
    {
        using RawStream stream = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w"));
        await stream.CountAsync(stream.Batch(0, 1, (1, 1)));
        await _database.ExecuteAsync("UPDATE reheat_data.site_totals SET executions = 9223372036854775807");

        await stream.SendAsync(stream.Batch(1, 2, (1, 1)));
        BatchRefused refused = await stream.RefusedBatchAsync();

        Assert.Equal((RefusalReason.Malformed, 1UL), (refused.Reason, refused.Expected));
        Assert.Contains("out of range", refused.Message, StringComparison.Ordinal);
        using RawStream other = await RawStream.OpenAsync(_server.Address, RawStream.Hello("other"));
        Assert.Equal(1UL, await other.CountAsync(other.Batch(0, 1, (2, 1))));
        await stream.SendAsync(stream.Batch(1, 2, (1, 1)));
        await other.SendAsync(other.Batch(1, 2, (2, 1)));
        Assert.Equal(2UL, await other.AckAsync());
        Assert.Equal(1, await _database.ValueAsync<long>("SELECT position FROM reheat_data.marks WHERE wedge = 'w'"));
    }

    private async Task AssertOthersGoOnAsync()
    {
        using RawStream other = await RawStream.OpenAsync(_server.Address, RawStream.Hello("other"));
        await other.CountAsync(other.Batch(0, 5, (1, 5)));
        await _database.AssertTrapsAsync(5);
        Assert.Equal(5, await _database.ValueAsync<long>("SELECT sum(stored) FROM reheat.accounting"));
    }
}
