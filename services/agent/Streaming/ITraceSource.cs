using Reheat.Core;
using Reheat.Core.Ring;
using Reheat.V1;

namespace Reheat.Agent.Streaming;

/// <summary>What a stream sends: a wedge's rings, or a text that another system recorded.</summary>
internal interface ITraceSource
{
    /// <summary>Who recorded it.</summary>
    WedgeInfo Info { get; }

    /// <summary>Names what was recorded, in all streams that send it.</summary>
    ulong Epoch { get; }

    /// <summary>When the epoch began, in nanoseconds since 1970.</summary>
    long EpochUnixNs { get; }

    /// <summary>In order of number; at least one.</summary>
    IReadOnlyList<ITraceRing> Rings { get; }

    /// <summary>True once no position will be added.</summary>
    bool HasEnded { get; }

    /// <summary>Looks for rings that have come since.</summary>
    /// <returns>True if there are any: the stream must begin anew.</returns>
    bool FindRings();

    /// <summary>All heads were sampled: what names the positions below them may be read now.</summary>
    Task SampledAsync(CancellationToken cancel);

    /// <summary>Nothing that was recorded before this time stamp is left to send.</summary>
    void Forget(long timestamp);

    /// <summary>The batch of the positions [<paramref name="from"/>, <paramref name="to"/>).</summary>
    Batch Cut(ITraceRing ring, ulong from, ulong to, StreamSites sites);

    /// <summary>The batch that says that these positions are given up, as the collector refuses what stands there.</summary>
    Batch GiveUp(ITraceRing ring, ulong from, ulong to);

    /// <summary>A stream begins at the collector's marks: nothing that was sent on another can be counted any more.</summary>
    /// <exception cref="AgentException">That cannot be.</exception>
    void Begin(IEnumerable<(ITraceRing Ring, ulong Mark)> marks)
    {
        foreach ((ITraceRing ring, ulong mark) in marks)
            ring.Begin(mark);
    }

    /// <summary>A batch that says that positions are lost, as they are nowhere any more; null if the first of them is still here, or will come.</summary>
    Batch? Gone(ITraceRing ring, ulong from)
    {
        ulong first = ring.FirstAt(from);
        return first <= from
            ? null
            : new Batch { Ring = ring.Ring, From = from, To = first, Drops = { new Drop { Reason = DropReason.MarkWentBack, Records = first - from } } };
    }

    /// <summary>What stands below is stored.</summary>
    void Release(ITraceRing ring, ulong position) => ring.Release(position);

    /// <summary>An instruction's bytes as they ran, or null if they are not known.</summary>
    byte[]? CodeAt(GuestAddress ip);
}

/// <summary>A sequence of positions that only grow.</summary>
internal interface ITraceRing
{
    /// <summary>Its number.</summary>
    uint Ring { get; }

    /// <summary>For messages.</summary>
    string Place { get; }

    /// <summary>End of what is there.</summary>
    ulong Head { get; }

    /// <summary>Up to where it was acknowledged, as far as is known here.</summary>
    ulong Tail { get; }

    /// <summary>The first position from <paramref name="position"/> on that is still here, or will come.</summary>
    ulong FirstAt(ulong position) => Math.Max(position, Tail);

    /// <summary>Counters since the epoch began.</summary>
    Core.Ring.RingCounters Counters { get; }

    /// <summary>A stream begins at the collector's mark.</summary>
    /// <exception cref="AgentException">That cannot be.</exception>
    void Begin(ulong mark);

    /// <summary>What stands below is stored.</summary>
    void Release(ulong position);

    /// <summary>Notes that the positions below are there now.</summary>
    void Look(ulong head);

    /// <summary>How long ago a position was first seen.</summary>
    TimeSpan AgeOf(ulong position);

    /// <summary>The end of a batch that begins at <paramref name="from"/>: about <paramref name="most"/> positions.</summary>
    ulong EndOfBatch(ulong from, ulong head, ulong most);
}
