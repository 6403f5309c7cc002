using Reheat.Agent.Sessions;
using Reheat.Loop.Tests.Fixtures;
using Xunit;

namespace Reheat.Loop.Tests.Agent;

/// <summary>Records carry no time: the agent's monotonic clock says when they were seen, and the minute they are counted in goes by that.</summary>
public sealed class AgeTests
{
    private const ulong Code = 0x401000;

    private readonly MovedClock _clock = new();

    [Fact]
    public async Task Records_that_waited_for_the_collector_are_counted_when_they_were_seen()
    {
        using var scratch = new Scratch();
        await using TestDatabase database = await TestCluster.Instance.CreateAsync();
        int port = LoopServer.FreePort();
        using WedgeProcess wedge = await WedgeProcess.StartAsync(scratch.File("session"));
        await using var agent = new RunningAgent(new Uri($"http://127.0.0.1:{port}"), scratch.File("session"), TestImage.Get().Loaded(), clock: _clock);
        await PushAsync(3);
        _clock.Move(TimeSpan.FromMinutes(10));
        await PushAsync(8);
        _clock.Move(TimeSpan.FromMinutes(20));
        await wedge.CloseAsync();

        var now = new DateTimeOffset(2026, 11, 1, 12, 0, 30, TimeSpan.Zero);
        await using LoopServer server = await LoopServer.StartAsync(database.ConnectionString, port, clock: new SetClock(now), change: o => o with { Retention = TimeSpan.FromDays(36_500), KeepDays = TimeSpan.FromDays(36_500) });
        await agent.DeliveredAsync();

        Assert.Equal(
            [(new DateTime(2026, 11, 1, 11, 30, 0), 3), (new DateTime(2026, 11, 1, 11, 40, 0), 5)],
            await database.RowsAsync<(DateTime, long)>("SELECT bucket AT TIME ZONE 'UTC', executions FROM reheat_data.counts ORDER BY bucket"));

        async Task PushAsync(ulong until)
        {
            await wedge.PushAsync(Code, repeat: (int)until - (int)agent.Status.Seen);
            await Eventually.HoldsAsync(() => Task.FromResult(agent.Status.Seen == (long)until), $"the agent saw {until} records");
        }
    }

    [Fact]
    public void A_batch_ends_where_records_were_seen_much_later()
    {
        var seen = new SeenTimes(_clock);
        seen.Look(10);
        _clock.Move(TimeSpan.FromSeconds(5));
        seen.Look(20);
        _clock.Move(TimeSpan.FromSeconds(60));
        seen.Look(30);

        Assert.Equal([20UL, 15UL, 20UL, 30UL], [seen.EndOfBatch(0, 30), seen.EndOfBatch(0, 15), seen.EndOfBatch(10, 30), seen.EndOfBatch(20, 30)]);
        int[] ages = [.. ((ulong[])[9, 10, 20, 30]).Select(p => (int)seen.AgeOf(p).TotalSeconds)];
        Assert.Equal([65, 60, 0, 0], ages);
        seen.Forget(15);
        Assert.Equal(60, (int)seen.AgeOf(15).TotalSeconds);
    }

    [Fact]
    public void However_long_records_wait_what_is_remembered_is_bounded_and_ages_stay_nearly_right()
    {
        const int Looks = 100_000;
        var seen = new SeenTimes(_clock);
        for (ulong head = 1; head <= Looks; head++)
        {
            _clock.Move(TimeSpan.FromSeconds(1.5));
            seen.Look(head);
        }

        for (int position = 0; position < Looks; position += 777)
            Assert.InRange(seen.AgeOf((ulong)position).TotalSeconds, (Looks - position - 1) * 1.5 - 1, ((Looks - position) * 1.5) + 130);
        int batches = 0;
        for (ulong from = 0; from < Looks; from = seen.EndOfBatch(from, Looks))
            batches++;
        Assert.InRange(batches, 1000, 4096);
    }
}
