using Microsoft.Extensions.Logging;
using Reheat.Agent.Machine;
using Reheat.Agent.Sessions;
using Reheat.Core;
using Reheat.Core.Ring;
using Reheat.V1;

namespace Reheat.Agent.Streaming;

/// <summary>The rings of a wedge's session, named through the machine's memory map.</summary>
internal sealed class RingSource(WedgeSession session, ImageTable images, MachineWatch machine, Func<bool> ended, AgentStatus status, ILogger log) : ITraceSource
{
    private readonly IReadOnlyList<string> _targets = [.. session.Info.Targets.Select(TargetNames.OfRegion)];
    private (StreamSites Sites, BatchCutter Cutter)? _cutter;

    public WedgeInfo Info => session.Info;

    public ulong Epoch => session.Rings[0].File.Epoch;

    public long EpochUnixNs => session.Rings[0].File.CreatedUnixNs;

    public IReadOnlyList<ITraceRing> Rings => session.Rings;

    public bool HasEnded => ended();

    public bool FindRings() => session.FindRings();

    public Task SampledAsync(CancellationToken cancel) => machine.ReadMapAsync(cancel);

    public void Forget(long timestamp) => machine.Namer.Forget(timestamp);

    public Batch Cut(ITraceRing ring, ulong from, ulong to, StreamSites sites)
    {
        if (_cutter is not { } current || current.Sites != sites)
            _cutter = current = (sites, new BatchCutter(images, _targets, machine.Namer, sites, status, log));
        return current.Cutter.Cut(((OpenRing)ring).File, from, to);
    }

    public Batch GiveUp(ITraceRing ring, ulong from, ulong to) => BatchCutter.GiveUp(((OpenRing)ring).File, from, to);

    public byte[]? CodeAt(GuestAddress ip) => session.Code.Find(ip);
}
