namespace Reheat.Core.Elf;

/// <summary>
/// The places of an image that a kernel patches at run time, or that must not be touched, sorted and queryable by address.
/// </summary>
public sealed partial class PatchedRanges
{
    // All kinds but .noinstr.text are shorter: a length is one byte.
    private const ulong LongestPlace = byte.MaxValue;

    private readonly PatchedRange[] _places;
    private readonly PatchedRange[] _regions;

    private PatchedRanges(List<PatchedRange> ranges)
    {
        ranges.Sort();
        All = [.. ranges.Distinct()];
        _places = [.. All.Where(range => range.Length <= LongestPlace)];
        _regions = Merge(All.Where(range => range.Length > LongestPlace));
    }

    /// <summary>All places, ascending by start, then kind, without duplicates.</summary>
    public IReadOnlyList<PatchedRange> All { get; }

    /// <summary>The kinds that overlap [start, start + length). Allocates nothing.</summary>
    public PatchKinds KindsAt(ImageAddress start, ulong length = 1)
    {
        PatchKinds kinds = PatchKinds.None;
        ulong end = start.Value > ulong.MaxValue - length ? ulong.MaxValue : start.Value + length;
        for (int i = LowerBound(_places, start.Value < LongestPlace ? 0 : start.Value - LongestPlace); i < _places.Length; i++)
        {
            if (_places[i].Start.Value >= end)
                break;
            if (_places[i].End.Value > start.Value)
                kinds |= _places[i].Kind;
        }
        // Regions are disjoint, so at most the one that begins before can reach in, and all that begin inside.
        for (int i = Math.Max(LowerBound(_regions, start.Value) - 1, 0); i < _regions.Length && _regions[i].Start.Value < end; i++)
        {
            if (_regions[i].End.Value > start.Value)
                kinds |= _regions[i].Kind;
        }
        return kinds;
    }

    /// <summary>True if a byte of [start, start + length) changes at run time.</summary>
    public bool IsRewritten(ImageAddress start, ulong length) => (KindsAt(start, length) & PatchKinds.Rewritten) != 0;

    /// <summary>The places that overlap [start, start + length), in order.</summary>
    public IEnumerable<PatchedRange> Overlapping(ImageAddress start, ulong length)
    {
        ulong end = start.Value > ulong.MaxValue - length ? ulong.MaxValue : start.Value + length;
        IEnumerable<PatchedRange> regions = _regions.Where(region => region.Start.Value < end && region.End.Value > start.Value);
        int first = LowerBound(_places, start.Value < LongestPlace ? 0 : start.Value - LongestPlace);
        IEnumerable<PatchedRange> places = _places.Skip(first).TakeWhile(place => place.Start.Value < end)
            .Where(place => place.End.Value > start.Value);
        return regions.Concat(places).Order();
    }

    // Only .noinstr.text is that long, so there is one kind.
    private static PatchedRange[] Merge(IEnumerable<PatchedRange> regions)
    {
        var merged = new List<PatchedRange>();
        foreach (PatchedRange region in regions)
        {
            if (merged.Count > 0 && region.Kind == merged[^1].Kind && region.Start.Value <= merged[^1].End.Value)
            {
                ulong end = Math.Max(merged[^1].End.Value, region.End.Value);
                merged[^1] = merged[^1] with { Length = end - merged[^1].Start.Value };
            }
            else
                merged.Add(region);
        }
        return [.. merged];
    }

    private static int LowerBound(PatchedRange[] sorted, ulong start)
    {
        int low = 0, high = sorted.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (sorted[middle].Start.Value < start)
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }
}
