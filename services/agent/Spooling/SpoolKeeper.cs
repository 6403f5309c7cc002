using Microsoft.Extensions.Logging;
using Reheat.Agent.Machine;
using Reheat.Agent.Sessions;
using Reheat.Agent.Streaming;
using Reheat.V1;

namespace Reheat.Agent.Spooling;

/// <summary>
/// Takes records out of rings that fill up, or that wait for long, and puts them into the spool: while the collector is away, and also while what was spooled is
/// delivered, so that the wedge finds room all the while. It stops of itself when acknowledgements keep up.
/// </summary>
internal sealed class SpoolKeeper(
    SpoolOptions options, WedgeSession session, SpooledSource source, Spool spool, SentCuts cuts, SpoolClock clock, Func<Hello> hello,
    Func<StreamSites, BatchCutter> cutter, MachineWatch machine, AgentStatus status, TimeProvider time, ILogger log)
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);

    private (StreamSites Sites, BatchCutter Cutter)? _cutter;
    private bool _spooling;

    /// <summary>Runs until it is cancelled.</summary>
    public async Task RunAsync(CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(Interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(cancel))
            {
                bool any = false;
                if (status.Welcomes > 0)
                    spool.Remember(status.MaxBatchRecords);
                foreach (OpenRing ring in session.Rings)
                {
                    if (IsPressed(ring))
                    {
                        await machine.ReadMapAsync(cancel);
                        any |= SpoolRing(ring);
                    }
                }
                if (any && !_spooling)
                    Log.Spooling(log, options.Directory);
                _spooling = any || (_spooling && spool.Bytes > 0);
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    private bool IsPressed(OpenRing ring)
    {
        ulong tail = Math.Max(ring.Tail, spool.SpanOf(source.Epoch, ring.Ring).To), head = ring.Head;
        return head > tail && (head - ring.Tail > ring.File.Capacity / 2 || ring.AgeOf(tail) >= options.After);
    }

    /// <summary>Spools all that a ring holds.</summary>
    private bool SpoolRing(OpenRing ring)
    {
        ulong head = ring.Head;
        ulong from = Math.Max(ring.Tail, spool.SpanOf(source.Epoch, ring.Ring).To), begin = from;
        while (from < head)
        {
            ulong to;
            // While this is held nothing is sent, given back or acknowledged: where batches end that were sent stays as it is, and so does what is read.
            lock (source.Gate)
            {
                if (ring.Tail > from)
                {
                    from = Math.Min(ring.Tail, head);
                    continue;
                }
                if (spool.Begin(hello(), cuts) is not { } sites)
                    break;
                if (_cutter is not { } current || current.Sites != sites)
                    _cutter = current = (sites, cutter(sites));
                to = cuts.FirstWithin(source.Epoch, ring.Ring, from, ring.EndOfBatch(from, head, status.MaxBatchRecords));
                if (!spool.Append(clock.Stamp(current.Cutter.Cut(ring.File, from, to), ring.AgeOf(from))))
                    break;
            }
            from = to;
        }
        if (from == begin)
            return false;
        if (!spool.Flush())
            return true; // the ring keeps what may not be on the disk
        lock (source.Gate)
        {
            // The spool has it now. What it has, it delivers; the ring's own mark moves as if it were acknowledged.
            if (from > ring.Tail)
                ring.Release(from);
        }
        return true;
    }
}
