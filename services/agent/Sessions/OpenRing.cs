using Microsoft.Extensions.Logging;
using Reheat.Agent.Streaming;
using Reheat.Core.Ring;

namespace Reheat.Agent.Sessions;

/// <summary>A ring that this process consumes, and when its records were first seen.</summary>
internal sealed record OpenRing(RingFile File, SeenTimes Seen, ILogger Logger) : ITraceRing
{
    public uint Ring => File.Ring;

    public string Place => File.Path;

    public ulong Head => File.Head;

    public ulong Tail => File.Tail;

    public RingCounters Counters => File.Counters;

    public void Begin(ulong mark)
    {
        ulong tail = File.Tail;
        if (mark > File.Head)
            throw new AgentException($"{File.Path}: the collector counted up to {mark}, the ring ends at {File.Head} — it is not the ring that it was");
        if (mark < tail)
            Log.MarkWentBack(Logger, File.Ring, mark, tail, tail - mark);
        else
            File.Release(mark);
        Seen.Forget(mark);
    }

    public void Release(ulong position)
    {
        if (position > File.Tail)
            File.Release(position);
        Seen.Forget(position);
    }

    public void Look(ulong head) => Seen.Look(head);

    public TimeSpan AgeOf(ulong position) => Seen.AgeOf(position);

    // Records of one batch are counted in one minute.
    public ulong EndOfBatch(ulong from, ulong head, ulong most) => Seen.EndOfBatch(from, Math.Min(head, from + most));
}
