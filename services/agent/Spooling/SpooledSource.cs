using Reheat.Agent.Streaming;
using Reheat.Core;
using Reheat.Core.Ring;
using Reheat.V1;

namespace Reheat.Agent.Spooling;

/// <summary>
/// A session with a spool before it: what is spooled comes first, at the positions that it has, and then what its rings hold. Without rings it is a session that
/// is over. Whoever cuts or releases holds <see cref="Gate"/>: what one thread reads another must not give back.
/// </summary>
internal sealed class SpooledSource : ITraceSource
{
    private readonly RingSource? _source;
    private readonly Spool _spool;
    private readonly SentCuts _cuts;
    private readonly ImageTable _images;
    private readonly SpoolClock _clock;
    private readonly Dictionary<uint, SpooledRing> _rings = [];

    /// <summary>A session that runs.</summary>
    public SpooledSource(RingSource source, Spool spool, SentCuts cuts, ImageTable images, SpoolClock clock)
        : this(source, source.Info, source.Epoch, source.EpochUnixNs, spool, cuts, images, clock)
    {
    }

    /// <summary>A session that is over.</summary>
    public SpooledSource(Hello hello, Spool spool, SentCuts cuts, ImageTable images, SpoolClock clock)
        : this(null, new WedgeInfo(hello.Kind, hello.Version, hello.Guest, []), hello.Epoch, hello.EpochUnixNs, spool, cuts, images, clock)
    {
    }

    private SpooledSource(
        RingSource? source, WedgeInfo info, ulong epoch, long epochUnixNs, Spool spool, SentCuts cuts, ImageTable images, SpoolClock clock)
    {
        (_source, Info, Epoch, EpochUnixNs, _spool, _cuts, _images, _clock) = (source, info, epoch, epochUnixNs, spool, cuts, images, clock);
        FindRings();
    }

    /// <summary>Held while a ring is read, or given back.</summary>
    public Lock Gate { get; } = new();

    public WedgeInfo Info { get; }

    public ulong Epoch { get; }

    public long EpochUnixNs { get; }

    public IReadOnlyList<ITraceRing> Rings { get; private set; } = [];

    public bool HasEnded => _source?.HasEnded ?? true;

    public bool FindRings()
    {
        _source?.FindRings();
        int before = _rings.Count;
        foreach (ITraceRing live in _source?.Rings ?? [])
        {
            if (!_rings.TryGetValue(live.Ring, out SpooledRing? known) || known.Live != live)
                _rings[live.Ring] = new SpooledRing(live, live.Ring, _spool, Epoch, _clock);
        }
        foreach (uint number in _spool.RingsOf(Epoch))
            _rings.TryAdd(number, new SpooledRing(null, number, _spool, Epoch, _clock));
        Rings = [.. _rings.Values.OrderBy(r => r.Ring)];
        return _rings.Count > before;
    }

    public Task SampledAsync(CancellationToken cancel) => _source?.SampledAsync(cancel) ?? Task.CompletedTask;

    public void Forget(long timestamp) => _source?.Forget(timestamp);

    public void Begin(IEnumerable<(ITraceRing Ring, ulong Mark)> marks)
    {
        // In one piece: between the two a batch could be spooled over a mark.
        lock (Gate)
        {
            foreach ((ITraceRing ring, ulong mark) in marks)
                ring.Begin(mark);
            _cuts.Begin(Epoch, marks.Select(m => (m.Ring.Ring, m.Mark)));
        }
    }

    public void Release(ITraceRing ring, ulong position)
    {
        lock (Gate)
            ring.Release(position);
        _cuts.Forget(Epoch, ring.Ring, position);
    }

    public Batch Cut(ITraceRing ring, ulong from, ulong to, StreamSites sites)
    {
        lock (Gate)
        {
            // It may have gone from the ring to the spool since its end was asked for; then it ends where it does there.
            Batch batch = _spool.Find(Epoch, ring.Ring, from) is { } found ? Spooled(found.Batch.Batch, found.Hello, found.Site, sites)
                : ((SpooledRing)ring).Live is { } live ? _source!.Cut(live, from, to, sites)
                : Nothing(ring.Ring, from, to);
            Sent(batch);
            return batch;
        }
    }

    public Batch? Gone(ITraceRing ring, ulong from)
    {
        // While this is held nothing moves from the ring to the spool: what is in neither is in neither.
        lock (Gate)
        {
            ulong first = ring.FirstAt(from);
            if (first <= from)
                return null;
            Batch batch = Nothing(ring.Ring, from, first);
            Sent(batch);
            return batch;
        }
    }

    /// <summary>Positions that are nowhere any more, or none.</summary>
    private Batch Nothing(uint ring, ulong from, ulong to)
    {
        var batch = new Batch { Ring = ring, From = from, To = to, Counters = _source is null ? _spool.CountersOf(Epoch, ring) : null };
        if (to > from)
            batch.Drops.Add(new Drop { Reason = DropReason.MarkWentBack, Records = to - from });
        return batch;
    }

    // The collector's mark may come to stand at its end.
    private void Sent(Batch batch)
    {
        if (batch.To > batch.From)
            _cuts.Add(Epoch, batch.Ring, batch.To);
    }

    public Batch GiveUp(ITraceRing ring, ulong from, ulong to)
    {
        lock (Gate)
        {
            Batch batch = _spool.Find(Epoch, ring.Ring, from) is { } found ? GivenUp(found.Batch.Batch, found.Site)
                : ((SpooledRing)ring).Live is { } live ? _source!.GiveUp(live, from, to)
                : Nothing(ring.Ring, from, to);
            Sent(batch);
            return batch;
        }
    }

    private static Batch GivenUp(Batch batch, Func<int, (uint Image, ImageAddress Address, SiteKind Kind)> site)
    {
        var drop = new Drop { Reason = DropReason.Refused, Records = batch.To - batch.From };
        for (int row = 0; row < batch.Site.Count; row++)
        {
            ulong executions = batch.Traps.Count == 0 ? 1 : batch.Traps[row];
            if (site((int)batch.Site[row]).Kind.Outcome == V1.Outcome.Trap)
                drop.Traps += executions;
            else
                drop.Hits += executions;
        }
        foreach (Drop before in batch.Drops)
            (drop.Traps, drop.Hits) = (drop.Traps + before.Traps, drop.Hits + before.Hits);
        return new Batch { Ring = batch.Ring, From = batch.From, To = batch.To, Drops = { drop } };
    }

    public byte[]? CodeAt(GuestAddress ip) => _source?.CodeAt(ip);

    /// <summary>A spooled batch with the indexes of the stream that sends it.</summary>
    private Batch Spooled(Batch batch, Hello hello, Func<int, (uint Image, ImageAddress Address, SiteKind Kind)> site, StreamSites sites)
    {
        var sent = new Batch { Ring = batch.Ring, From = batch.From, To = batch.To, Counters = batch.Counters };
        sent.Traps.AddRange(batch.Traps);
        sent.Elements.AddRange(batch.Elements);
        sent.Drops.AddRange(batch.Drops);
        foreach (uint index in batch.Site)
        {
            (uint image, ImageAddress address, SiteKind kind) = site((int)index);
            LoadedImage loaded = hello.Images[(int)image];
            int own = IndexOf(new BuildId(loaded.BuildId.Span));
            var ip = new GuestAddress(unchecked(address.Value + (ulong)_images.Images[own].Bias.Value));
            sent.Site.Add((uint)sites.IndexOf(ip, new SiteAccess((Core.Operation)kind.Operation, (byte)kind.Size, kind.Target, (Core.Outcome)kind.Outcome), own, address));
        }
        sent.NewSites = sites.TakeNew();
        return sent;
    }

    private int IndexOf(BuildId image)
    {
        for (int i = 0; i < _images.Images.Count; i++)
        {
            if (_images.Images[i].BuildId == image)
                return i;
        }
        throw new AgentException($"the spool names image {image}, which this session does not have");
    }
}
