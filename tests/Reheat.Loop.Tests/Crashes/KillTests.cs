using Npgsql;
using Reheat.Loop.Tests.Fixtures;
using Xunit;

namespace Reheat.Loop.Tests.Crashes;

/// <summary>kill -9 of collector and agent at random moments, as processes of the built program: totals stay exact.</summary>
public sealed class KillTests : IAsyncLifetime
{
    private const int Seed = 20_260_301;
    private const int LeastRecords = 200_000;
    private const int Kills = 6;
    private const int Sites = 100; // fewer than the image has bytes of code
    private const ulong Code = 0x401000;

    private readonly Scratch _scratch = new();
    private readonly TestImage _image = TestImage.Get();
    private TestDatabase _database = null!;

    public async ValueTask InitializeAsync() => _database = await TestCluster.Instance.CreateAsync();

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        _scratch.Dispose();
    }

    [Fact]
    public async Task Killing_collector_and_agent_again_and_again_loses_and_doubles_nothing()
    {
        var random = new Random(Seed);
        int port = LoopServer.FreePort();
        string session = _scratch.File("session");
        // The rings are much smaller than what goes through them while the kills last.
        using WedgeProcess wedge = await WedgeProcess.StartAsync(session, capacity: 1 << 13, rings: 2);
        using var killed = new CancellationTokenSource();
        Task<int> feeding = FeedAsync(wedge, killed.Token);
        ReheatProcess collector = StartCollector(port), agent = StartAgent(session, port);
        try
        {
            for (int kill = 0; kill < Kills; kill++)
            {
                // Both must have come to work: a kill of a process that has done nothing proves nothing.
                long before = await StoredAsync();
                await Eventually.HoldsAsync(async () => await StoredAsync() > before, $"something was stored before kill {kill}");
                await Task.Delay(random.Next(300));
                await collector.KillAsync();
                collector.Dispose();
                collector = StartCollector(port);
                before = await StoredAsync();
                await Eventually.HoldsAsync(async () => await StoredAsync() > before, $"something was stored after kill {kill} of the collector");
                await Task.Delay(random.Next(300));
                await agent.KillAsync();
                agent.Dispose();
                agent = StartAgent(session, port);
            }
            await killed.CancelAsync();
            int records = await feeding;
            long[] fed = await wedge.FedAsync(Sites);
            await wedge.CloseAsync();
            ReheatResult end = await agent.EndAsync();

            Assert.True(end.ExitCode == 0, end.Errors);
            Assert.Equal(records, fed.Sum());
            Assert.Equal([(records, records, 0, 0)], await _database.RowsAsync<(long, long, long, long)>(
                "SELECT recorded, stored, dropped, pending FROM reheat.accounting"));
            await _database.AssertTrapsAsync(records);
            Assert.Equal(Enumerable.Range(0, Sites).ToDictionary(i => (long)Code + i, i => fed[i]), await _database.ByAddressAsync());
        }
        catch (Exception e) when (e is not Xunit.Sdk.XunitException)
        {
            throw new InvalidOperationException($"{e.Message}\ncollector: {await collector.SaidAsync()}\nagent: {await agent.SaidAsync()}", e);
        }
        finally
        {
            collector.Dispose();
            agent.Dispose();
        }
    }

    /// <summary>Feeds at a steady rate until the last kill, and then what is left.</summary>
    private static async Task<int> FeedAsync(WedgeProcess wedge, CancellationToken killed)
    {
        const int Chunk = 2_000;
        int records = 0;
        for (; !killed.IsCancellationRequested || records < LeastRecords; records += Chunk)
            await wedge.FeedAsync(Seed + records, Chunk, Code, step: 1, Sites, group: 100, pauseMicroseconds: killed.IsCancellationRequested ? 0 : 5_000);
        return records;
    }

    private Task<long> StoredAsync() => _database.ValueAsync<long>("SELECT coalesce(sum(position), 0)::bigint FROM reheat_data.marks");

    private ReheatProcess StartCollector(int port) =>
        ReheatProcess.Start("up", "--listen", $"127.0.0.1:{port}", "--database",
            new NpgsqlConnectionStringBuilder(_database.ConnectionString) { MaxPoolSize = 10 }.ConnectionString);

    private ReheatProcess StartAgent(string session, int port) =>
        ReheatProcess.Start("agent", "--session", session, "--wedge", "killed", "--image", _image.Path, "-v", "--collector", $"http://127.0.0.1:{port}");
}
