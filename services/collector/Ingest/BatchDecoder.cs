using Reheat.Store.Ingest;
using Reheat.V1;

namespace Reheat.Collector.Ingest;

/// <summary>Checks a batch of the wire and folds its rows by dictionary index. One a stream: it keeps scratch arrays.</summary>
internal sealed class BatchDecoder(StreamDictionary dictionary, HashSet<int> rings)
{
    // 2^48 executions in one batch are no count but a mistake; sums of a group of such batches stay in 64 bits.
    private const ulong MaxCount = 1UL << 48;

    private long[] _executions = [];
    private long[] _elements = [];
    private int[] _touched = [];

    /// <summary>What is wrong with the batch, or null.</summary>
    public string? Check(Batch batch)
    {
        int rows = batch.Site.Count;
        if (!rings.Contains(unchecked((int)batch.Ring)))
            return $"ring {batch.Ring} was not named in the hello";
        if (batch.From > batch.To || batch.To > long.MaxValue)
            return $"positions [{batch.From}, {batch.To}): from must not be beyond to, and both below 2^63";
        // Positions alone make a batch countable once: nothing may be counted that stands at none.
        if (batch.From == batch.To && (rows > 0 || batch.Drops.Count > 0))
            return $"positions [{batch.From}, {batch.To}) are none, with {rows} rows and {batch.Drops.Count} drops: an empty range carries counters alone";
        if (batch.Traps.Count != 0 && batch.Traps.Count != rows)
            return $"traps has {batch.Traps.Count} rows, site has {rows}: leave it empty or fill every row";
        if (batch.Elements.Count != 0 && batch.Elements.Count != rows)
            return $"elements has {batch.Elements.Count} rows, site has {rows}: leave it empty or fill every row";

        ulong trapped = 0, allExecutions = 0, allElements = 0, allRecords = 0;
        for (int i = 0; i < rows; i++)
        {
            if (batch.Site[i] >= dictionary.Count)
                return $"site[{i}] is {batch.Site[i]}: the stream has named {dictionary.Count} sites";
            ulong executions = batch.Traps.Count == 0 ? 1 : batch.Traps[i];
            ulong elements = batch.Elements.Count == 0 ? executions : batch.Elements[i];
            if (executions > MaxCount || elements > MaxCount || (allExecutions += executions) > MaxCount || (allElements += elements) > MaxCount)
                return $"row {i} counts {executions} executions and {elements} elements: at most 2^48 in a batch";
            if (dictionary.Key((int)batch.Site[i]).Outcome == Core.Outcome.Trap)
                trapped += executions;
        }
        foreach (Drop drop in batch.Drops)
        {
            if ((int)drop.Reason is <= 0 or > short.MaxValue || drop.Traps > MaxCount || drop.Records > MaxCount || drop.Hits > MaxCount
                || (allExecutions += drop.Traps + drop.Hits) > MaxCount || (allRecords += drop.Records) > MaxCount)
            {
                return $"drop of reason {drop.Reason} with {drop.Traps} traps and {drop.Records} records: reason must be set, counts at most 2^48 in a batch";
            }
            trapped += drop.Traps;
        }
        // Views add the counters up over a wedge's rings.
        if (batch.Counters is { } c && ((ulong[])[c.Traps, c.DroppedTraps, c.DroppedRecords, c.OutsideTraps, c.Spurious, c.Hits, c.DroppedHits]).Max() is > MaxCount and var counter)
            return $"counters say {counter}: at most 2^48";
        // A trap is at least one record; hits of rewritten sites are read in bulk and stand at no position.
        return trapped > batch.To - batch.From
            ? $"{trapped} traps in {batch.To - batch.From} positions [{batch.From}, {batch.To}): a trap is at least one record"
            : null;
    }

    /// <summary>The rows of a batch that passed <see cref="Check"/>, one for each site, in order of first mention.</summary>
    public CountRow[] Fold(Batch batch)
    {
        if (_executions.Length < dictionary.Count)
        {
            int size = Math.Max(dictionary.Count, _executions.Length * 2);
            Array.Resize(ref _executions, size);
            Array.Resize(ref _elements, size);
            Array.Resize(ref _touched, size);
        }
        int distinct = 0;
        bool counted = batch.Traps.Count != 0;
        bool stretched = batch.Elements.Count != 0;
        for (int i = 0; i < batch.Site.Count; i++)
        {
            int site = (int)batch.Site[i];
            long executions = counted ? (long)batch.Traps[i] : 1;
            long elements = stretched ? (long)batch.Elements[i] : executions;
            if ((_executions[site] | _elements[site]) == 0 && (executions | elements) != 0)
                _touched[distinct++] = site;
            _executions[site] += executions;
            _elements[site] += elements;
        }
        var rows = new CountRow[distinct];
        for (int i = 0; i < distinct; i++)
        {
            int site = _touched[i];
            rows[i] = new CountRow(dictionary.Key(site), _executions[site], _elements[site]);
            _executions[site] = _elements[site] = 0;
        }
        Touched = _touched.AsMemory(0, distinct);
        return rows;
    }

    /// <summary>Dictionary indexes of the rows that <see cref="Fold"/> returned last; valid until its next call.</summary>
    public ReadOnlyMemory<int> Touched { get; private set; }
}
