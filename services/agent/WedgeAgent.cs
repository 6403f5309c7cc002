using Microsoft.Extensions.Logging;
using Reheat.Agent.Machine;
using Reheat.Agent.Sessions;
using Reheat.Agent.Spooling;
using Reheat.Agent.Streaming;

namespace Reheat.Agent;

/// <summary>
/// Reads a wedge's rings and streams what they hold to a collector, exactly once. May be killed at any moment, and started again on the same session
/// directory: the rings keep what the collector has not committed.
/// </summary>
public sealed class WedgeAgent(AgentOptions options, TimeProvider clock, ILogger<WedgeAgent> log) : IAsyncDisposable
{
    private static readonly TimeSpan LongestLook = TimeSpan.FromSeconds(1);

    private readonly MachineWatch _machine = new(options.MonitorSocket, options.Session, clock, log);
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
            if (options.Spool is null)
                await new StreamLoop(options, source, images, Status, clock, log, AgentOf(session)).RunAsync(cancel);
            else
                await RunSpooledAsync(options.Spool, session, source, cancel);
        }
        finally
        {
            await looking.CancelAsync();
            await look; // before the rings are closed
        }
    }

    /// <summary>
    /// The name under which this session's agents hold the wedge's lease. A ring has one consumer at a time: an agent that is started where another one was killed is no
    /// rival, and need not wait for the lease to lapse.
    /// </summary>
    private static ulong AgentOf(WedgeSession session)
    {
        string file = Path.Combine(session.Directory, "agent");
        if (File.Exists(file) && File.ReadAllBytes(file) is { Length: sizeof(ulong) } bytes && BitConverter.ToUInt64(bytes) is not 0 and var known)
            return known;
        ulong drawn = StreamLoop.NewAgent();
        try
        {
            File.WriteAllBytes(file, BitConverter.GetBytes(drawn));
        }
        catch (IOException)
        {
            // A full disk: who is started after this one waits for its lease to lapse.
        }
        return drawn;
    }

    /// <summary>Streams with a spool: first what sessions that are over left in it, then this one.</summary>
    private async Task RunSpooledAsync(SpoolOptions spooling, WedgeSession session, RingSource source, CancellationToken cancel)
    {
        using Spool spool = Spool.Open(spooling, options.Wedge, log);
        if (spool.BatchRecords is { } records)
            Status.MaxBatchRecords = records;
        using SentCuts cuts = SentCuts.Open(Path.Combine(Spool.DirectoryOf(spooling, options.Wedge), "sent"));
        var spoolClock = new SpoolClock(clock);
        // Also those that an earlier agent of the session was told of and this one is not.
        var images = new ImageTable([.. options.Images, .. SpoolDrain.ImagesOf(spool, source.Epoch).Where(i => options.Images.All(own => own.BuildId != i.BuildId))]);
        var spooled = new SpooledSource(source, spool, cuts, images, spoolClock);
        var keeper = new SpoolKeeper(
            spooling, session, spooled, spool, cuts, spoolClock, () => IngestStream.HelloOf(options, spooled, images, agent: 0),
            sites => new BatchCutter(images, [.. session.Info.Targets.Select(TargetNames.OfRegion)], _machine.Namer, sites, Status, log), _machine, Status, clock, log);
        using var keeping = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        Task keep = keeper.RunAsync(keeping.Token);
        try
        {
            Task done = DeliverAsync(keeping.Token);
            // A keeper that fails must not leave the rings to themselves unnoticed; and nothing may read them when they are closed.
            if (await Task.WhenAny(done, keep) == keep && keep.IsFaulted)
            {
                await keeping.CancelAsync();
                await done.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                await keep;
            }
            await done;
        }
        finally
        {
            await keeping.CancelAsync();
            await keep.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        async Task DeliverAsync(CancellationToken cancel)
        {
            await new SpoolDrain(options, spool, cuts, spoolClock, Status, clock, log, AgentOf(session)).RunAsync(except: source.Epoch, cancel);
            await new StreamLoop(options, spooled, images, Status, clock, log, AgentOf(session)).RunAsync(cancel);
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
