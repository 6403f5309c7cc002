using Reheat.Core.Ring;

namespace Reheat.Cli.Guests;

/// <summary>What the wedge itself counted, summed over a session's rings.</summary>
internal sealed record SessionCounts(ulong Epoch, ulong Traps, ulong DroppedTraps, ulong Records, ulong OutsideTraps, ulong Spurious, ulong Hits, ulong DroppedHits)
{
    public static SessionCounts Read(string session)
    {
        var sum = new SessionCounts(0, 0, 0, 0, 0, 0, 0, 0);
        if (!Directory.Exists(session))
            return sum;
        foreach (string path in Directory.EnumerateFiles(session, RingFormat.RingFilePrefix + "*"))
        {
            using RingFile? ring = RingFile.Open(path, out _);
            if (ring is null)
                continue;
            RingCounters c = ring.Counters;
            sum = new SessionCounts(ring.Epoch, sum.Traps + c.Traps, sum.DroppedTraps + c.DroppedTraps, sum.Records + ring.Head,
                sum.OutsideTraps + c.OutsideTraps, sum.Spurious + c.Spurious, sum.Hits + c.Hits, sum.DroppedHits + c.DroppedHits);
        }
        return sum;
    }
}
