using Reheat.Core.Elf;

namespace Reheat.Core.Records;

/// <summary>
/// The sites that an image says can be rewritten: its sections <c>.afterburn</c> (class 1) and <c>.afterburn.TARGET</c> (class 2), each a
/// row of records of two words, start and end. In objects they are called <c>.debug_afterburn…</c>; both names are read.
/// </summary>
/// <remarks>Coverage rests on these, not on what the tool that made the image believes it did.</remarks>
public sealed partial class AnnotatedSites
{
    private readonly AnnotatedSite[] _sites;
    private readonly (AddressRange Thunk, AnnotatedSite Site)[] _thunks;

    private AnnotatedSites(AnnotatedSite[] sites, SelftestCounter[] counters, IReadOnlyList<Diagnostic> diagnostics)
    {
        _sites = sites;
        _thunks = [.. sites.Where(s => s.HasThunk).Select(s => (s.Thunk, s)).OrderBy(t => t.Thunk)];
        Counters = counters;
        Diagnostics = diagnostics;
    }

    /// <summary>No sites: an image that was not annotated.</summary>
    public static AnnotatedSites None { get; } = new([], [], []);

    /// <summary>Ascending by start, disjoint.</summary>
    public IReadOnlyList<AnnotatedSite> All => _sites;

    /// <summary>Where a self-testing image counts, ascending by site. Empty in all others, and after storage.</summary>
    public IReadOnlyList<SelftestCounter> Counters { get; }

    /// <summary>The records that make no sense: they are in <see cref="All"/> not.</summary>
    public IReadOnlyList<Diagnostic> Diagnostics { get; }

    /// <summary>How many sites have records, by target; a site with several targets counts in each.</summary>
    public IReadOnlyDictionary<string, int> CountByTarget() =>
        new SortedDictionary<string, int>(
            _sites.SelectMany(s => s.Targets).GroupBy(t => t, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.Count()), StringComparer.Ordinal);

    /// <summary>
    /// The site that code at an address belongs to: inside its instruction and padding, or in its thunk; null if none.
    /// </summary>
    public AnnotatedSite? Find(ImageAddress address)
    {
        int i = LastNotAfter(_sites.Length, at => _sites[at].Start, address);
        if (i >= 0 && _sites[i].Range.Contains(address))
            return _sites[i];
        i = LastNotAfter(_thunks.Length, at => _thunks[at].Thunk.Start, address);
        return i >= 0 && _thunks[i].Thunk.Contains(address) ? _thunks[i].Site : null;
    }

    /// <summary>The sites that begin in a range, ascending.</summary>
    public ReadOnlySpan<AnnotatedSite> In(AddressRange range)
    {
        int first = range.Start.Value == 0 ? 0 : LastNotAfter(_sites.Length, at => _sites[at].Start, new ImageAddress(range.Start.Value - 1)) + 1;
        int last = range.IsEmpty ? first : LastNotAfter(_sites.Length, at => _sites[at].Start, new ImageAddress(range.End.Value - 1)) + 1;
        return _sites.AsSpan(first, Math.Max(last - first, 0));
    }

    private static int LastNotAfter(int count, Func<int, ImageAddress> startOf, ImageAddress address)
    {
        int low = 0, high = count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (startOf(middle).Value <= address.Value)
                low = middle + 1;
            else
                high = middle;
        }
        return low - 1;
    }
}
