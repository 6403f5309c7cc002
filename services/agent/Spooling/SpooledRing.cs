using Reheat.Agent.Streaming;
using Reheat.Core.Ring;

namespace Reheat.Agent.Spooling;

/// <summary>A ring whose oldest positions are in the spool, or all of them, if its session is over.</summary>
internal sealed class SpooledRing(ITraceRing? ring, uint number, Spool spool, ulong epoch, SpoolClock clock) : ITraceRing
{
    private ulong _end;

    /// <summary>The ring itself, or null.</summary>
    public ITraceRing? Live => ring;

    public uint Ring => number;

    public string Place => ring?.Place ?? $"ring {number} of session {epoch:x16}, spooled";

    // What is delivered leaves the spool, and the end of it stays where it was.
    public ulong Head => ring?.Head ?? (_end = Math.Max(_end, spool.SpanOf(epoch, number).To));

    public ulong Tail => spool.SpanOf(epoch, number) is { To: > 0 } span ? span.From : ring?.Tail ?? 0;

    public RingCounters Counters
    {
        get
        {
            if (ring is not null)
                return ring.Counters;
            V1.RingCounters c = spool.CountersOf(epoch, number);
            return new RingCounters(c.Traps, c.DroppedTraps, c.DroppedRecords, c.OutsideTraps, c.Spurious, c.Hits, c.DroppedHits);
        }
    }

    public void Begin(ulong mark)
    {
        spool.Release(epoch, number, mark);
        // What is in the spool is the ring's no more, and no loss.
        _end = Math.Max(_end, mark);
        if (ring is null || spool.SpanOf(epoch, number).To > mark)
            return;
        ring.Begin(mark);
    }

    public ulong FirstAt(ulong position)
    {
        ulong spooled = spool.FirstAt(epoch, number, position);
        return spooled < spool.SpanOf(epoch, number).To || ring is null ? spooled : ring.FirstAt(spooled);
    }

    public void Release(ulong position)
    {
        spool.Release(epoch, number, position);
        if (ring is not null && position > ring.Tail)
            ring.Release(position);
    }

    public void Look(ulong head) => ring?.Look(head);

    public TimeSpan AgeOf(ulong position) =>
        spool.Find(epoch, number, position) is { } found ? clock.AgeOf(found.Batch) : ring?.AgeOf(position) ?? TimeSpan.Zero;

    public ulong EndOfBatch(ulong from, ulong head, ulong most)
    {
        if (spool.Find(epoch, number, from) is { } found)
            return found.Batch.Batch.To;
        return ring?.EndOfBatch(from, head, most) ?? Head;
    }
}
