using Microsoft.Extensions.Logging;
using Reheat.Agent.Machine;
using Reheat.Agent.Sessions;
using Reheat.Agent.Streaming;

namespace Reheat.Agent;

/// <summary>
/// Reads a wedge's rings and streams what they hold to a collector, exactly once. May be killed at any moment, and started again on the same session
/// directory: the rings keep what the collector has not committed.
/// </summary>
public sealed class WedgeAgent(AgentOptions options, TimeProvider clock, ILogger<WedgeAgent> log) : IAsyncDisposable
{
    private static readonly TimeSpan LongestLook = TimeSpan.FromSeconds(1);

    private readonly MachineWatch _machine = new(options.MonitorSocket, clock, log);
    private volatile bool _wedgeEnded;

    /// <summary>What it has done so far.</summary>
    public AgentStatus Status { get; } = new();

    /// <summary>Tells the agent that nothing more will come, as the wedge's process has ended.</summary>
    public void WedgeEnded()
    {
        _wedgeEnded = true;
        _machine.Ended = static () => true;
    }

    /// <summary>Reads the machine's memory map now: before QEMU ends, as it names the records of the last moments.</summary>
    public Task ReadMapAsync(CancellationToken cancel) => _machine.ReadMapAsync(cancel);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _machine.DisposeAsync();

    /// <summary>Streams until the wedge has ended and all is acknowledged.</summary>
    /// <exception cref="AgentException">Something that trying again cannot mend.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; what is not acknowledged stays in the rings.</exception>
    public async Task RunAsync(CancellationToken cancel)
    {
        var images = new ImageTable(options.Images);
        using WedgeSession? session = await WaitForSessionAsync(cancel);
        if (session is null)
            return; // the wedge ended before it began: nothing was recorded
        _machine.Ended = () => _wedgeEnded || session.ProducerEnded;
        if (!session.SeesProducer)
            Log.WedgeUnseen(log, options.Session);
        using var looking = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        Task look = LookAsync(session, looking.Token);
        try
        {
            await _machine.ReadMapAsync(cancel);
            var source = new RingSource(session, images, _machine, () => _wedgeEnded || session.ProducerEnded, Status, log);
            await new StreamLoop(options, source, images, Status, clock, log).RunAsync(cancel);
        }
        finally
        {
            await looking.CancelAsync();
            await look; // before the rings are closed
        }
    }

    /// <summary>Notes when records come, also while the collector is away or a stream waits.</summary>
    private async Task LookAsync(WedgeSession session, CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(options.Interval < LongestLook ? options.Interval : LongestLook, clock);
        try
        {
            do
                Status.SetSeen(session.Look());
            while (await timer.WaitForNextTickAsync(cancel));
        }
        catch (OperationCanceledException)
        {
        }
    }

    private async Task<WedgeSession?> WaitForSessionAsync(CancellationToken cancel)
    {
        while (true)
        {
            bool ended = _wedgeEnded;
            if (WedgeSession.TryOpen(options.Session, clock, log) is { } session)
                return session;
            if (ended)
                return null;
            await Task.Delay(TimeSpan.FromMilliseconds(20), clock, cancel);
        }
    }
}
