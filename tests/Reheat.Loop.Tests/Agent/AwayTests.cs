using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Reheat.Loop.Tests.Fixtures;
using Reheat.Store.Cluster;
using Reheat.Store.Migrations;
using Xunit;

namespace Reheat.Loop.Tests.Agent;

/// <summary>Collector or database away: nothing is lost, nothing counted twice.</summary>
public sealed class AwayTests : IAsyncLifetime
{
    private const ulong Code = 0x401000;
    private const int Sites = 50;

    private readonly Scratch _scratch = new();
    private readonly TestImage _image = TestImage.Get();

    private string Session => _scratch.File("session");

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public ValueTask DisposeAsync()
    {
        _scratch.Dispose();
        return ValueTask.CompletedTask;
    }

    [Fact]
    public async Task A_collector_that_is_away_at_the_start_and_in_mid_stream_is_waited_for()
    {
        const int Chunk = 5_000;
        await using TestDatabase database = await TestCluster.Instance.CreateAsync();
        int port = LoopServer.FreePort();
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session, capacity: 1 << 15);
        await using var agent = new RunningAgent(new Uri($"http://127.0.0.1:{port}"), Session, _image.Loaded());
        await Eventually.HoldsAsync(() => Task.FromResult(agent.Status.Reconnects > 0), "the agent noticed that nobody answers");

        for (int start = 0; start < 3; start++)
        {
            Task feeding = wedge.FeedAsync(seed: 5 + start, Chunk, Code, step: 1, Sites, group: 20, pauseMicroseconds: 2_000);
            long before = agent.Status.Acknowledged;
            await using (LoopServer server = await LoopServer.StartAsync(database.ConnectionString, port))
                await agent.AcknowledgedAsync(before + 1);
            await feeding;
        }
        long[] fed = await wedge.FedAsync(Sites);
        await wedge.CloseAsync();
        await using LoopServer last = await LoopServer.StartAsync(database.ConnectionString, port);
        await agent.DeliveredAsync();

        await database.AssertTrapsAsync(3 * Chunk);
        Assert.Equal(Enumerable.Range(0, Sites).ToDictionary(i => (long)Code + i, i => fed[i]), await database.ByAddressAsync());
    }

    [Fact]
    public async Task A_database_that_crashes_at_the_start_and_later_is_waited_for()
    {
        const int Chunk = 5_000;
        string directory = TestCluster.NewDirectory();
        PrivateCluster cluster = await PrivateCluster.StartAsync(directory, NullLogger.Instance, CancellationToken.None);
        await using (var source = NpgsqlDataSource.Create(cluster.ConnectionString))
            await new Migrator(source, NullLogger<Migrator>.Instance).MigrateAsync(CancellationToken.None);
        await cluster.StopAsync(immediate: true, CancellationToken.None);

        await using (var database = new TestDatabase(cluster.ConnectionString))
        await using (LoopServer server = await LoopServer.StartAsync(cluster.ConnectionString))
        {
            using WedgeProcess wedge = await WedgeProcess.StartAsync(Session, capacity: 1 << 15);
            await using var agent = new RunningAgent(server.Address, Session, _image.Loaded(), change: o => o with { MaxBatchRecords = 100 });
            await Eventually.HoldsAsync(() => Task.FromResult(agent.Status.Reconnects > 0), "the agent was told that the database is away");
            Assert.Contains("database is away", agent.Status.Connection, StringComparison.Ordinal);
            Grpc.Core.RpcException away = await Assert.ThrowsAsync<Grpc.Core.RpcException>(async () => await server.Builds.ListAsync(new V1.ListBuildsRequest()));
            Assert.Equal(Grpc.Core.StatusCode.Unavailable, away.StatusCode);

            for (int start = 0; start < 3; start++)
            {
                Task feeding = wedge.FeedAsync(seed: 8 + start, Chunk, Code, step: 1, Sites, group: 20, pauseMicroseconds: 2_000);
                long before = agent.Status.Acknowledged;
                cluster = await PrivateCluster.StartAsync(directory, NullLogger.Instance, CancellationToken.None);
                await agent.AcknowledgedAsync(before + 1);
                await cluster.StopAsync(immediate: true, CancellationToken.None);
                await feeding;
            }
            long[] fed = await wedge.FedAsync(Sites);
            await wedge.CloseAsync();
            cluster = await PrivateCluster.StartAsync(directory, NullLogger.Instance, CancellationToken.None);
            await agent.DeliveredAsync();

            NpgsqlConnection.ClearAllPools();
            await database.AssertTrapsAsync(3 * Chunk);
            Assert.Equal(Enumerable.Range(0, Sites).ToDictionary(i => (long)Code + i, i => fed[i]), await database.ByAddressAsync());
        }
        await cluster.DisposeAsync();
        Directory.Delete(directory, recursive: true);
    }
}
