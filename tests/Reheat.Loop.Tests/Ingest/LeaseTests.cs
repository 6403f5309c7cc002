using Grpc.Core;
using Reheat.Loop.Tests.Fixtures;
using Xunit;

namespace Reheat.Loop.Tests.Ingest;

/// <summary>One agent speaks for a wedge at a time, over any number of collectors.</summary>
public sealed class LeaseTests : IAsyncLifetime
{
    private TestDatabase _database = null!;
    private LoopServer _server = null!;
    private LoopServer _other = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await TestCluster.Instance.CreateAsync();
        _server = await LoopServer.StartAsync(_database.ConnectionString);
        _other = await LoopServer.StartAsync(_database.ConnectionString);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _other.DisposeAsync();
        await _database.DisposeAsync();
    }

    [Fact]
    public async Task A_second_agent_is_refused_by_either_collector_until_the_first_has_closed()
    {
        using (RawStream first = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w")))
        {
            foreach (LoopServer server in (LoopServer[])[_server, _other])
            {
                Status refused = await RawStream.RefusedAsync(server.Address, RawStream.Hello("w", h => h.Agent = 8));
                Assert.Equal(StatusCode.AlreadyExists, refused.StatusCode);
                Assert.Contains("another agent holds wedge w until ", refused.Detail, StringComparison.Ordinal);
            }
            await first.CompleteAsync();
        }

        using RawStream second = await RawStream.OpenAsync(_other.Address, RawStream.Hello("w", h => h.Agent = 8));
        Assert.True(second.Welcome.Lease > 1);
    }

    [Fact]
    public async Task A_lease_that_has_lapsed_is_taken_and_the_old_stream_ends_ABORTED_with_its_batch_uncounted()
    {
        using RawStream old = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w"));
        await old.CountAsync(old.Batch(0, 10, (0x1000, 10)));
        await _database.ExecuteAsync("UPDATE reheat_data.wedges SET lease_until = now() - interval '1 second'");

        using RawStream heir = await RawStream.OpenAsync(_other.Address, RawStream.Hello("w", h => h.Agent = 8));
        Assert.Equal(10UL, Assert.Single(heir.Welcome.Marks).Position);
        Assert.Equal(old.Welcome.Lease + 1, heir.Welcome.Lease);
        await old.SendAsync(old.Batch(10, 15, (0x1000, 5)));
        Status end = await old.EndAsync(); // although it sends nothing more

        Assert.Equal(StatusCode.Aborted, end.StatusCode);
        Assert.Contains("another agent holds wedge w", end.Detail, StringComparison.Ordinal);
        await heir.CountAsync(heir.Batch(10, 12, (0x1000, 2)));
        await _database.AssertTrapsAsync(12);
    }

    [Fact]
    public async Task The_same_agent_moves_to_another_collector_at_once_and_goes_on_at_its_mark()
    {
        using RawStream here = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w"));
        await here.CountAsync(here.Batch(0, 10, (0x1000, 10)));

        using RawStream there = await RawStream.OpenAsync(_other.Address, RawStream.Hello("w"));
        Assert.Equal(10UL, Assert.Single(there.Welcome.Marks).Position);
        await there.CountAsync(there.Batch(10, 30, (0x1000, 20)));
        await here.SendAsync(here.Batch(10, 30, (0x1000, 20)));

        Assert.Equal(StatusCode.Aborted, (await here.EndAsync()).StatusCode);
        await _database.AssertTrapsAsync(30);
        // The lost stream's end must not end the lease of the new one.
        Assert.Equal(StatusCode.AlreadyExists, (await RawStream.RefusedAsync(_server.Address, RawStream.Hello("w", h => h.Agent = 9))).StatusCode);
    }

    [Fact]
    public async Task An_agent_with_two_collectors_goes_to_the_other_when_one_fails_and_back()
    {
        using var scratch = new Scratch();
        int port = LoopServer.FreePort();
        var second = new Uri($"http://127.0.0.1:{port}");
        using WedgeProcess wedge = await WedgeProcess.StartAsync(scratch.File("session"));
        await wedge.PushAsync(0x401000, repeat: 3);
        LoopServer first = await LoopServer.StartAsync(_database.ConnectionString);
        await using (var agent = new RunningAgent(second, scratch.File("session"), TestImage.Get().Loaded(), change: o => o with { Fallbacks = [first.Address] }))
        {
            await agent.AcknowledgedAsync(3); // the one that it asks first is not there
            await first.DisposeAsync();
            await wedge.PushAsync(0x401000, repeat: 4);
            await using LoopServer there = await LoopServer.StartAsync(_database.ConnectionString, port);
            await agent.AcknowledgedAsync(7);
            await wedge.CloseAsync();
            await agent.DeliveredAsync();
        }

        await _database.AssertTrapsAsync(7);
    }

    [Fact]
    public async Task A_stream_that_is_heard_of_keeps_its_lease()
    {
        await using LoopServer shortLease = await LoopServer.StartAsync(_database.ConnectionString, change: o => o with { Lease = TimeSpan.FromSeconds(1) });
        using RawStream stream = await RawStream.OpenAsync(shortLease.Address, RawStream.Hello("w"));
        DateTime first = await _database.ValueAsync<DateTime>("SELECT lease_until FROM reheat_data.wedges");

        await Eventually.HoldsAsync(
            async () =>
            {
                await stream.CountAsync(stream.Batch(0, 0));
                return await _database.ValueAsync<DateTime>("SELECT lease_until FROM reheat_data.wedges") > first.AddSeconds(1);
            }, "the lease was renewed beyond its length");
        Assert.Equal(StatusCode.AlreadyExists, (await RawStream.RefusedAsync(_other.Address, RawStream.Hello("w", h => h.Agent = 8))).StatusCode);
    }
}
