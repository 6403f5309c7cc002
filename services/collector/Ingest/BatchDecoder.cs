using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Reheat.Collector.Ingest.Wire;
using Reheat.Store.Ingest;
using Reheat.V1;

namespace Reheat.Collector.Ingest;

/// <summary>Checks a batch of the wire and folds its rows by dictionary index, in one pass over its bytes.</summary>
internal sealed class BatchDecoder(StreamDictionary dictionary, HashSet<int> rings)
{
    // 2^48 executions in one batch are no count but a mistake; sums of a group of such batches stay in 64 bits.
    private const ulong MaxCount = 1UL << 48;

    private struct Tally
    {
        public ulong Executions;
        public ulong Elements;
    }

    // A thread's, not a stream's: ten thousand streams fold one batch now and then. All 0 between calls.
    [ThreadStatic]
    private static Tally[]? _threadTallies;

    [ThreadStatic]
    private static int[]? _threadTouched;

    private Tally[] _tallies = [];
    private int[] _touched = [];
    private int _distinct;

    /// <summary>The rows of the batch, one for each site, in order of first mention.</summary>
    /// <returns>Null, or what is wrong with the batch.</returns>
    public string? Fold(WireBatch batch, out CountRow[] rows)
    {
        rows = [];
        if (CheckFrame(batch) is { } wrong)
            return wrong;
        MakeRoom();
        ulong executions = 0;
        string? fault = batch.Traps.IsEmpty && batch.Elements.IsEmpty ? FoldOnes(batch.Site, ref executions) : FoldCounts(batch, ref executions);
        (CountRow[] folded, ulong trapped) = Take();
        (_tallies, _touched) = ([], []);
        if (fault is not null)
            return fault;
        if (CheckDrops(batch.Drops, executions, ref trapped) is { } wrongDrop)
            return wrongDrop;
        // A trap is at least one record; hits of rewritten sites are read in bulk and stand at no position.
        if (trapped > batch.To - batch.From)
            return $"{trapped} traps in {batch.To - batch.From} positions [{batch.From}, {batch.To}): a trap is at least one record";
        rows = folded;
        return null;
    }

    /// <summary>Dictionary indexes of the rows that <see cref="Fold"/> returned last, to be read on the same thread, before anything else is folded.</summary>
    public ReadOnlySpan<int> Touched => _threadTouched.AsSpan(0, _distinct);

    private string? CheckFrame(WireBatch batch)
    {
        int rows = batch.Site.Rows;
        if (!rings.Contains(unchecked((int)batch.Ring)))
            return $"ring {batch.Ring} was not named in the hello";
        if (batch.From > batch.To || batch.To > long.MaxValue)
            return $"positions [{batch.From}, {batch.To}): from must not be beyond to, and both below 2^63";
        // Positions alone make a batch countable once: nothing may be counted that stands at none.
        if (batch.From == batch.To && (rows > 0 || batch.Drops.Count > 0))
            return $"positions [{batch.From}, {batch.To}) are none, with {rows} rows and {batch.Drops.Count} drops: an empty range carries counters alone";
        if (!batch.Traps.IsEmpty && batch.Traps.Rows != rows)
            return $"traps has {batch.Traps.Rows} rows, site has {rows}: leave it empty or fill every row";
        if (!batch.Elements.IsEmpty && batch.Elements.Rows != rows)
            return $"elements has {batch.Elements.Rows} rows, site has {rows}: leave it empty or fill every row";
        // Views add the counters up over a wedge's rings.
        return batch.Counters is { } c && ((ulong[])[c.Traps, c.DroppedTraps, c.DroppedRecords, c.OutsideTraps, c.Spurious, c.Hits, c.DroppedHits]).Max() is > MaxCount and var counter
            ? $"counters say {counter}: at most 2^48"
            : null;
    }

    /// <summary>A row is one execution: what a sender that does not fold says of millions of records a second.</summary>
    private string? FoldOnes(WireColumn site, ref ulong executions)
    {
        if (site.IsEmpty)
            return null;
        ref readonly byte bytes = ref site.First;
        ref Tally tallies = ref MemoryMarshal.GetArrayDataReference(_tallies);
        int[] touched = _touched;
        uint known = (uint)dictionary.Count;
        int distinct = 0, length = site.Length;
        for (int at = 0; at < length;)
        {
            // Indexes of one and two bytes without a branch between them, which nobody could predict.
            uint pair = Unsafe.ReadUnaligned<ushort>(in Unsafe.Add(ref Unsafe.AsRef(in bytes), at));
            uint longer = (pair >> 7) & 1;
            ulong index = (pair & 0x7f) | ((pair >> 1) & 0x3f80 & (uint)-(int)longer);
            int next = at + 1 + (int)longer;
            if ((pair & 0x8080) == 0x8080)
            {
                index = 0;
                next = at;
                int shift = 0;
                byte b;
                do
                {
                    b = Unsafe.Add(ref Unsafe.AsRef(in bytes), next++);
                    index |= (ulong)(b & 0x7f) << shift;
                    shift += 7;
                }
                while (b >= 0x80);
                index = (uint)index;
            }
            if (index >= known)
            {
                _distinct = distinct;
                return NoSuchSite(site, at, index);
            }
            ref Tally tally = ref Unsafe.Add(ref tallies, (nint)index);
            if (tally.Executions++ == 0)
                touched[distinct++] = (int)index;
            at = next;
        }
        _distinct = distinct;
        executions = (ulong)site.Rows;
        for (int i = 0; i < distinct; i++)
        {
            ref Tally tally = ref _tallies[touched[i]];
            tally.Elements = tally.Executions;
        }
        return null;
    }

    private string? FoldCounts(WireBatch batch, ref ulong executions)
    {
        WireColumn.Cursor sites = batch.Site.Read(), traps = batch.Traps.Read(), stretched = batch.Elements.Read();
        bool counted = !batch.Traps.IsEmpty, hasElements = !batch.Elements.IsEmpty;
        ulong elements = 0;
        _distinct = 0;
        for (int row = 0; row < batch.Site.Rows; row++)
        {
            uint index = unchecked((uint)sites.Next());
            if (index >= dictionary.Count)
                return $"site[{row}] is {index}: the stream has named {dictionary.Count} sites";
            ulong n = counted ? traps.Next() : 1;
            ulong m = hasElements ? stretched.Next() : n;
            if (n > MaxCount || m > MaxCount || (executions += n) > MaxCount || (elements += m) > MaxCount)
                return $"row {row} counts {n} executions and {m} elements: at most 2^48 in a batch";
            ref Tally tally = ref _tallies[index];
            if ((tally.Executions | tally.Elements) == 0 && (n | m) != 0)
                _touched[_distinct++] = (int)index;
            tally.Executions += n;
            tally.Elements += m;
        }
        return null;
    }

    private static string? CheckDrops(List<Drop> drops, ulong executions, ref ulong trapped)
    {
        ulong records = 0;
        foreach (Drop drop in drops)
        {
            if ((int)drop.Reason is <= 0 or > short.MaxValue || drop.Traps > MaxCount || drop.Records > MaxCount || drop.Hits > MaxCount
                || (executions += drop.Traps + drop.Hits) > MaxCount || (records += drop.Records) > MaxCount)
            {
                return $"drop of reason {drop.Reason} with {drop.Traps} traps and {drop.Records} records: reason must be set, counts at most 2^48 in a batch";
            }
            trapped += drop.Traps;
        }
        return null;
    }

    /// <summary>Takes the tallies, and leaves them empty.</summary>
    private (CountRow[] Rows, ulong Trapped) Take()
    {
        var rows = new CountRow[_distinct];
        ulong trapped = 0;
        for (int i = 0; i < rows.Length; i++)
        {
            int index = _touched[i];
            ref Tally tally = ref _tallies[index];
            rows[i] = new CountRow(dictionary.Number(index), (long)tally.Executions, (long)tally.Elements);
            if (dictionary.OutcomeOf(index) == Core.Outcome.Trap)
                trapped += tally.Executions;
            tally = default;
        }
        return (rows, trapped);
    }

    private string NoSuchSite(WireColumn site, int at, ulong index)
    {
        int row = 0;
        WireColumn.Cursor numbers = site.Read();
        while (numbers.Position(site.Length) < at)
        {
            numbers.Next();
            row++;
        }
        return $"site[{row}] is {index}: the stream has named {dictionary.Count} sites";
    }

    private void MakeRoom()
    {
        _distinct = 0;
        if (_threadTallies is null || _threadTouched is null || _threadTallies.Length < dictionary.Count)
        {
            int size = Math.Max(dictionary.Count, Math.Min((_threadTallies?.Length ?? 0) * 2, dictionary.Count + 4096));
            (_threadTallies, _threadTouched) = (new Tally[size], new int[size]);
        }
        (_tallies, _touched) = (_threadTallies, _threadTouched);
    }
}
