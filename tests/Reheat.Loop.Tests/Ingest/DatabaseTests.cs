using Grpc.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Reheat.Loop.Tests.Fixtures;
using Reheat.Store.Migrations;
using Xunit;

namespace Reheat.Loop.Tests.Ingest;

/// <summary>The database changes under a running collector.</summary>
public sealed class DatabaseTests : IAsyncLifetime
{
    private TestDatabase _database = null!;

    public async ValueTask InitializeAsync() => _database = await TestCluster.Instance.CreateAsync();

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    [Fact]
    public async Task A_replaced_database_ends_the_streams_and_nothing_of_the_old_one_is_remembered()
    {
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString);
        using RawStream idle = await RawStream.OpenAsync(server.Address, RawStream.Hello("idle"));
        using RawStream old = await RawStream.OpenAsync(server.Address, RawStream.Hello("w"));
        await old.CountAsync(old.Batch(0, 5, (0x1000, 5)));
        await _database.ExecuteAsync("DROP SCHEMA reheat CASCADE; DROP SCHEMA reheat_data CASCADE");
        await new Migrator(_database.Source, NullLogger<Migrator>.Instance).MigrateAsync(CancellationToken.None);
        await _database.ExecuteAsync("INSERT INTO reheat_data.targets (name) VALUES ('other')"); // lapic is another number now

        await old.SendAsync(old.Batch(5, 6, (0x1000, 1)));
        foreach (RawStream stream in (RawStream[])[old, idle])
        {
            Status end = await stream.EndAsync();
            Assert.Equal(StatusCode.Unavailable, end.StatusCode);
            Assert.Contains("replaced", end.Detail, StringComparison.Ordinal);
        }
        using RawStream again = await RawStream.OpenAsync(server.Address, RawStream.Hello("w"));
        Assert.Equal(0UL, Assert.Single(again.Welcome.Marks).Position);
        await again.CountAsync(again.Batch(0, 2, (0x1000, 2)));

        await _database.AssertTrapsAsync(2);
        Assert.Equal([(0x1000, "lapic", 2)], await _database.RowsAsync<(long, string, long)>(
            "SELECT s.address, g.name, t.executions FROM reheat_data.site_totals t JOIN reheat_data.sites s USING (site) JOIN reheat_data.targets g USING (target)"));
    }

    [Fact]
    public async Task A_partition_that_has_gone_is_made_again()
    {
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString);
        using RawStream stream = await RawStream.OpenAsync(server.Address, RawStream.Hello("w"));
        await stream.CountAsync(stream.Batch(0, 1, (0x1000, 1)));
        string partition = (await _database.ValueAsync<string>("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'reheat_data.counts'::regclass"))!;
        await _database.ExecuteAsync($"DROP TABLE {partition}");

        Assert.Equal(3UL, await stream.CountAsync(stream.Batch(1, 3, (0x1000, 2))));

        Assert.Equal(2, await _database.ValueAsync<long>("SELECT sum(executions) FROM reheat_data.counts"));
        Assert.Equal(3, await _database.ValueAsync<long>("SELECT stored FROM reheat.accounting"));
    }

    [Fact]
    public async Task What_the_database_refuses_is_INTERNAL_and_logged_and_not_taken_for_an_outage()
    {
        await _database.ExecuteAsync("ALTER TABLE reheat_data.wedges ADD CONSTRAINT unwanted CHECK (wedge <> 'w')");
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, errorsExpected: true);

        Status end = await RawStream.RefusedAsync(server.Address, RawStream.Hello("w"));

        Assert.Equal(StatusCode.Internal, end.StatusCode);
        Assert.Contains("unwanted", end.Detail, StringComparison.Ordinal);
        Assert.Contains(server.Log.Errors, e => e.Contains("wedge w", StringComparison.Ordinal) && e.Contains("unwanted", StringComparison.Ordinal));
    }
}
