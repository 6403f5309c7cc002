using System.Security.Cryptography;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging;
using Reheat.Agent.Machine;
using Reheat.Agent.Sessions;
using Reheat.Agent.Streaming;
using Reheat.V1;

namespace Reheat.Agent;

/// <summary>
/// Reads a wedge's rings and streams what they hold to a collector, exactly once. May be killed at any moment, and started again on the same session
/// directory: the rings keep what the collector has not committed.
/// </summary>
public sealed class WedgeAgent(AgentOptions options, TimeProvider clock, ILogger<WedgeAgent> log) : IAsyncDisposable
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LastRetry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestLook = TimeSpan.FromSeconds(1);

    private readonly ulong _agent = BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) | 1;
    private readonly MachineWatch _machine = new(options.MonitorSocket, clock, log);
    private volatile bool _wedgeEnded;

    /// <summary>What it has done so far.</summary>
    public AgentStatus Status { get; } = new();

    /// <summary>Tells the agent that nothing more will come, as the wedge's process has ended.</summary>
    public void WedgeEnded() => _wedgeEnded = true;

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
        if (!session.SeesProducer)
            Log.WedgeUnseen(log, options.Session);
        using var looking = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        Task look = LookAsync(session, looking.Token);
        try
        {
            await _machine.ReadMapAsync(cancel);
            await StreamAsync(session, images, cancel);
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

    private async Task StreamAsync(WedgeSession session, ImageTable images, CancellationToken cancel)
    {
        using GrpcChannel channel = GrpcChannel.ForAddress(options.Collector, new GrpcChannelOptions
        {
            HttpHandler = new SocketsHttpHandler
            {
                // A collector that vanished without closing is found out.
                KeepAlivePingDelay = TimeSpan.FromSeconds(20),
                KeepAlivePingTimeout = TimeSpan.FromSeconds(20),
                EnableMultipleHttp2Connections = true,
            },
            DisposeHttpClient = true,
        });
        var client = new TraceIngest.TraceIngestClient(channel);
        var refusals = new Refusals();
        TimeSpan delay = FirstRetry;
        while (true)
        {
            long acknowledged = Status.Acknowledged;
            string reason;
            try
            {
                session.FindRings(); // those that came while the collector was away
                var stream = new IngestStream(options, session, images, _machine, Status, refusals, _agent, () => _wedgeEnded || session.ProducerEnded, clock, log);
                if (await stream.RunAsync(client, cancel))
                    return;
                continue; // new rings: a new hello
            }
            catch (RpcException e) when (!cancel.IsCancellationRequested)
            {
                if (e.StatusCode is StatusCode.InvalidArgument or StatusCode.FailedPrecondition or StatusCode.ResourceExhausted
                    or StatusCode.Unimplemented or StatusCode.PermissionDenied or StatusCode.Unauthenticated)
                {
                    throw new AgentException($"the collector at {options.Collector} refused wedge {options.Wedge}: {e.Status.Detail}", e);
                }
                Status.Connection = e.Status.Detail;
                reason = $"{options.Collector}: {e.StatusCode}: {e.Status.Detail}";
            }
            catch (BatchRefusedException e)
            {
                Status.Connection = e.Message;
                reason = $"{options.Collector} refused a batch: {e.Message}";
                if (refusals.Refused(e) is { } gone)
                    Log.GivenUp(log, gone.Ring, gone.From, gone.To, e.Message);
            }
            catch (Exception e) when (cancel.IsCancellationRequested && e is RpcException or IOException or HttpRequestException or InvalidOperationException)
            {
                throw new OperationCanceledException(e.Message, e, cancel);
            }
            if (Status.Acknowledged > acknowledged)
                delay = FirstRetry;
            Status.AddReconnect();
            Log.StreamLost(log, options.Wedge, reason, delay);
            await Task.Delay(delay, clock, cancel);
            delay = TimeSpan.FromTicks(Math.Min(delay.Ticks * 2, LastRetry.Ticks));
        }
    }

    private async Task<WedgeSession?> WaitForSessionAsync(CancellationToken cancel)
    {
        while (true)
        {
            bool ended = _wedgeEnded;
            if (WedgeSession.TryOpen(options.Session, clock) is { } session)
                return session;
            if (ended)
                return null;
            await Task.Delay(TimeSpan.FromMilliseconds(20), clock, cancel);
        }
    }
}
