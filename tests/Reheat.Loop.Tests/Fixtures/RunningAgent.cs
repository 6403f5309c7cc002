using Reheat.Agent;
using Xunit;

namespace Reheat.Loop.Tests.Fixtures;

/// <summary>The real agent in this process, on a session of the C producer.</summary>
internal sealed class RunningAgent : IAsyncDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly WedgeAgent _agent;
    private readonly bool _errorsExpected;
    private readonly Task _running;

    public RunningAgent(Uri collector, string session, GuestImage image, string wedge = "w", Func<AgentOptions, AgentOptions>? change = null, bool errorsExpected = false,
        TimeProvider? clock = null)
    {
        _errorsExpected = errorsExpected;
        var options = new AgentOptions { Session = session, Collector = collector, Wedge = wedge, Images = [image], Interval = TimeSpan.FromMilliseconds(10) };
        _agent = new WedgeAgent(change?.Invoke(options) ?? options, clock ?? TimeProvider.System, Log.For<WedgeAgent>());
        _running = Task.Run(() => _agent.RunAsync(_stopping.Token));
    }

    public LoopLog Log { get; } = new();

    public AgentStatus Status => _agent.Status;

    /// <summary>Tells the agent that the wedge has ended.</summary>
    public void WedgeEnded() => _agent.WedgeEnded();

    public bool HasEnded => _running.IsCompleted;

    /// <summary>Waits until the wedge has ended and all is delivered.</summary>
    public Task DeliveredAsync() => _running.WaitAsync(TimeSpan.FromSeconds(60));

    public Task AcknowledgedAsync(long records) =>
        Eventually.HoldsAsync(() => _running.IsFaulted ? throw _running.Exception! : Task.FromResult(Status.Acknowledged >= records), $"{records} records acknowledged");

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await _agent.DisposeAsync();
        _stopping.Dispose();
        if (!_errorsExpected)
            Assert.Empty(Log.Errors);
    }
}
