using System.Security.Cryptography;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging;

namespace Reheat.Agent.Streaming;

/// <summary>Streams a source to the collector until it has ended and all is acknowledged, over as many streams as that takes.</summary>
internal sealed class StreamLoop(
    AgentOptions options, ITraceSource source, ImageTable images, AgentStatus status, TimeProvider clock, ILogger log, ulong agent = 0)
{
    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LastRetry = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan SameAgain = TimeSpan.FromMinutes(1);

    private const int BelievedRefusals = 3;

    // Drawn for this process, unless it goes on where another one of the same session was killed.
    private readonly ulong _agent = agent != 0 ? agent : NewAgent();
    private string _saidReason = "";
    private long _saidAt;

    /// <summary>A random name for an agent, not 0.</summary>
    public static ulong NewAgent() => BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)) | 1;

    /// <summary>Returns when all is acknowledged.</summary>
    /// <exception cref="AgentException">Something that trying again cannot mend.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async Task RunAsync(CancellationToken cancel)
    {
        Uri[] collectors = [options.Collector, .. options.Fallbacks];
        var channels = new GrpcChannel?[collectors.Length];
        try
        {
            await RunAsync(collectors, i => (channels[i] ??= Connect(collectors[i])).CreateCallInvoker(), cancel);
        }
        finally
        {
            foreach (GrpcChannel? channel in channels)
                channel?.Dispose();
        }
    }

    private static GrpcChannel Connect(Uri collector) => GrpcChannel.ForAddress(collector, new GrpcChannelOptions
    {
        HttpHandler = new SocketsHttpHandler
        {
            // A machine that is off answers nothing; and a collector that vanished without closing is found out.
            ConnectTimeout = TimeSpan.FromSeconds(10),
            KeepAlivePingDelay = TimeSpan.FromSeconds(20),
            KeepAlivePingTimeout = TimeSpan.FromSeconds(20),
            EnableMultipleHttp2Connections = true,
        },
        DisposeHttpClient = true,
    });

    private async Task RunAsync(Uri[] collectors, Func<int, CallInvoker> invokerOf, CancellationToken cancel)
    {
        var refusals = new Refusals();
        TimeSpan delay = FirstRetry;
        int[] refused = new int[collectors.Length];
        for (int at = 0; ; at++)
        {
            int which = at % collectors.Length;
            Uri collector = collectors[which];
            long acknowledged = status.Acknowledged, welcomes = status.Welcomes;
            string reason;
            try
            {
                source.FindRings(); // those that came while the collector was away
                var stream = new IngestStream(options, collector, source, images, status, refusals, _agent, clock, log);
                if (await stream.RunAsync(invokerOf(which), cancel))
                    return;
                at--; // new rings: a new hello, to the same
                continue;
            }
            catch (RpcException e) when (!cancel.IsCancellationRequested)
            {
                // What a broken connection makes of a request may be refused for anything; what is wrong with the request itself is so each time.
                // Where another took the wedge meanwhile, refusals are not in a row.
                int own = status.Acknowledged > acknowledged ? 0 : refused[which];
                if (status.Welcomes > welcomes)
                    Array.Clear(refused);
                refused[which] = IsRefusal(e.StatusCode) ? own + 1 : 0;
                if (refused[which] == BelievedRefusals)
                    throw new AgentException($"the collector at {collector} refused wedge {options.Wedge}: {e.Status.Detail}", e);
                status.Connection = e.Status.Detail;
                reason = $"{collector}: {e.StatusCode}: {e.Status.Detail}";
            }
            catch (BatchRefusedException e)
            {
                status.Connection = e.Message;
                reason = $"{collector} refused a batch: {e.Message}";
                if (refusals.Refused(e) is { } gone)
                    Log.GivenUp(log, gone.Ring, gone.From, gone.To, e.Message);
            }
            catch (Exception e) when (cancel.IsCancellationRequested && e is RpcException or IOException or HttpRequestException or InvalidOperationException)
            {
                throw new OperationCanceledException(e.Message, e, cancel);
            }
            if (status.Acknowledged > acknowledged)
                delay = FirstRetry;
            status.AddReconnect();
            // What goes on for hours is one message a minute, not ten a second.
            if (reason != _saidReason || clock.GetElapsedTime(_saidAt) > SameAgain)
            {
                (_saidReason, _saidAt) = (reason, clock.GetTimestamp());
                Log.StreamLost(log, options.Wedge, reason, delay.TotalSeconds);
            }
            else
            {
                Log.StreamStillLost(log, options.Wedge, reason, delay.TotalSeconds);
            }
            // Where there are others, all of them are asked before it waits longer.
            await Task.Delay(delay, clock, cancel);
            if ((at + 1) % collectors.Length != 0)
                continue;
            delay = TimeSpan.FromTicks(Math.Min(delay.Ticks * 2, LastRetry.Ticks));
        }
    }

    private static bool IsRefusal(StatusCode status) => status is StatusCode.InvalidArgument or StatusCode.FailedPrecondition or StatusCode.ResourceExhausted
        or StatusCode.Unimplemented or StatusCode.PermissionDenied or StatusCode.Unauthenticated;
}
