using Reheat.Core;
using Reheat.V1;

namespace Reheat.Agent.Spooling;

internal sealed partial class Spool
{
    private Opened? _opened; // the segment that was read last

    /// <summary>A segment, read.</summary>
    private sealed class Opened(SpoolSegment segment, long bytes, List<SpooledBatch> batches)
    {
        private readonly List<(uint Image, ImageAddress Address, SiteKind Kind)> _sites = [];
        private readonly Dictionary<(uint, ulong), SpooledBatch> _batches = [];

        public SpoolSegment Segment => segment;

        public long Bytes => bytes;

        public (uint Image, ImageAddress Address, SiteKind Kind) Site(int index) => _sites[index];

        public SpooledBatch? At(uint ring, ulong from) => _batches.GetValueOrDefault((ring, from));

        /// <summary>The end of the batch that holds a position, or the beginning of the first one behind it; the end of all if there is none.</summary>
        public ulong Next(uint ring, ulong position)
        {
            foreach (SpooledBatch spooled in batches)
            {
                Batch batch = spooled.Batch;
                if (batch.Ring == ring && batch.To > position)
                    return batch.From > position ? batch.From : batch.To;
            }
            return segment.Spans[ring].To;
        }

        public Opened Named()
        {
            var kinds = new List<SiteKind>();
            foreach (SpooledBatch spooled in batches)
            {
                _batches[(spooled.Batch.Ring, spooled.Batch.From)] = spooled;
                if (spooled.Batch.NewSites is not { } named)
                    continue;
                kinds.AddRange(named.NewKinds);
                ulong address = 0;
                for (int i = 0; i < named.AddressDelta.Count; i++)
                {
                    address = unchecked(address + (ulong)named.AddressDelta[i]);
                    _sites.Add((named.Image.Count == 0 ? 0 : named.Image[i], new ImageAddress(address), kinds[(int)named.Kind[i]]));
                }
            }
            return this;
        }
    }

    /// <summary>The batch that begins at a position, with the images and sites that its indexes mean; null if none begins there.</summary>
    public (SpooledBatch Batch, Hello Hello, Func<int, (uint Image, ImageAddress Address, SiteKind Kind)> Site)? Find(ulong epoch, uint ring, ulong from)
    {
        lock (_lock)
            return Holding(epoch, ring, from) is { } opened && opened.At(ring, from) is { } batch ? (batch, opened.Segment.Hello, opened.Site) : null;
    }

    /// <summary>
    /// The first position from <paramref name="position"/> on at which a batch begins; <paramref name="position"/> itself if the spool ends before, as the ring may
    /// have it then.
    /// </summary>
    public ulong FirstAt(ulong epoch, uint ring, ulong position)
    {
        lock (_lock)
        {
            foreach (SpoolSegment segment in _segments)
            {
                if (segment.Hello.Epoch != epoch || !segment.Spans.TryGetValue(ring, out SpooledSpan span) || span.To <= position)
                    continue;
                if (span.From >= position)
                    return span.From;
                Opened opened = Open(segment);
                if (opened.At(ring, position) is not null)
                    return position;
                position = opened.Next(ring, position);
                if (position < span.To)
                    return position;
            }
            return position;
        }
    }

    private Opened? Holding(ulong epoch, uint ring, ulong position)
    {
        SpoolSegment? segment = _segments.Find(s => s.Hello.Epoch == epoch && s.Spans.TryGetValue(ring, out SpooledSpan span) && span.From <= position && position < span.To);
        return segment is null ? null : Open(segment);
    }

    private Opened Open(SpoolSegment segment)
    {
        if (_opened is not { } opened || opened.Segment != segment || opened.Bytes != segment.Bytes)
        {
            if (SpoolSegment.Read(segment.Path) is not { } read)
                throw new AgentException($"{segment.Path} cannot be read any more: it was changed by somebody else");
            _opened = opened = new Opened(segment, segment.Bytes, read.Batches).Named();
        }
        return opened;
    }
}
