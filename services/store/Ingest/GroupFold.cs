using System.Collections;
using Reheat.Core;

namespace Reheat.Store.Ingest;

/// <summary>A sketch of distinct wedges: 256 bits, merged with <c>|</c>.</summary>
internal struct WedgeBits
{
    private ulong _a, _b, _c, _d;

    /// <summary>Sets a bit, 0 to 255.</summary>
    public void Set(int bit)
    {
        ulong one = 1UL << (bit & 63);
        switch (bit >> 6)
        {
            case 0: _a |= one; break;
            case 1: _b |= one; break;
            case 2: _c |= one; break;
            default: _d |= one; break;
        }
    }

    /// <summary>As the database takes it.</summary>
    public readonly BitArray ToBits() => new(
        [unchecked((int)_a), (int)(_a >> 32), unchecked((int)_b), (int)(_b >> 32), unchecked((int)_c), (int)(_c >> 32), unchecked((int)_d), (int)(_d >> 32)]);
}

/// <summary>What a group of batches says of one key in one time bucket.</summary>
internal struct FoldedRow
{
    public CountKey Key;
    public TimeBucket Bucket;
    public long Executions;
    public long Elements;
    public WedgeBits Wedges;
}

/// <summary>
/// Folds the rows of many batches, of many wedges, so that what goes to the database depends on distinct keys and buckets alone. Keeps scratch memory: one a
/// committer.
/// </summary>
internal sealed class GroupFold
{
    // Where a key's row is, + 1; 0: none yet. As long as the longest table of keys, and all 0 between calls.
    private int[] _places = [];

    /// <summary>One row for each key and bucket.</summary>
    public List<FoldedRow> Fold(IEnumerable<IngestBatch> batches)
    {
        var rows = new List<FoldedRow>();
        foreach (IGrouping<(KeyTable, TimeBucket), IngestBatch> group in batches.GroupBy(b => (b.Keys, b.Bucket)))
            Fold(group.Key.Item1, group.Key.Item2, group, rows);
        return rows;
    }

    private void Fold(KeyTable keys, TimeBucket bucket, IEnumerable<IngestBatch> batches, List<FoldedRow> rows)
    {
        if (_places.Length < keys.Count)
            _places = new int[keys.Count * 5L / 4 < int.MaxValue ? (keys.Count * 5 / 4) + 1024 : keys.Count];
        var touched = new List<int>();
        foreach (IngestBatch batch in batches)
        {
            foreach (CountRow row in batch.Rows)
            {
                ref int place = ref _places[row.Key];
                if (place == 0)
                {
                    rows.Add(new FoldedRow { Key = keys.Key(row.Key), Bucket = bucket });
                    touched.Add(row.Key);
                    place = rows.Count;
                }
                ref FoldedRow sum = ref System.Runtime.InteropServices.CollectionsMarshal.AsSpan(rows)[place - 1];
                sum.Executions = Saturating.Add(sum.Executions, row.Executions);
                sum.Elements = Saturating.Add(sum.Elements, row.Elements);
                sum.Wedges.Set(batch.Stream.SketchBit);
            }
        }
        foreach (int key in touched)
            _places[key] = 0;
    }
}
