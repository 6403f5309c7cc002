using Microsoft.Extensions.Logging;
using Reheat.Agent.Machine;
using Reheat.Core;
using Reheat.Core.Ring;
using Reheat.V1;

namespace Reheat.Agent.Streaming;

/// <summary>Cuts batches out of rings: subtracts load biases, names targets, folds repeats.</summary>
internal sealed class BatchCutter(ImageTable images, IReadOnlyList<string> targets, TargetNamer namer, StreamSites sites, AgentStatus status, ILogger log)
{
    // One message of each kind a batch is enough for people; the counts tell the rest.
    private const int BadRecordsToLog = 1;

    // Instead of an index.
    private const int Outside = -1, NotKnown = -2;

    private struct Sum
    {
        public long Executions;
        public long Elements;
    }

    private readonly TargetIds _targets = new(targets, namer);
    private readonly SiteCache _cache = new();
    private Sum[] _sums = [];
    private readonly List<int> _touched = [];

    /// <summary>The batch of the positions [<paramref name="from"/>, <paramref name="to"/>).</summary>
    public Batch Cut(RingFile ring, ulong from, ulong to)
    {
        var drops = new Dictionary<DropReason, Drop>();
        for (ulong position = from; position < to;)
        {
            ReadOnlySpan<RingRecord> records = ring.Records(position, to);
            Fold(ring, position, records, drops);
            position += (ulong)records.Length;
        }
        Core.Ring.RingCounters counters = ring.Counters;
        var batch = new Batch
        {
            Ring = ring.Ring,
            From = from,
            To = to,
            NewSites = sites.TakeNew(),
            Counters = new V1.RingCounters
            {
                Traps = counters.Traps,
                DroppedTraps = counters.DroppedTraps,
                DroppedRecords = counters.DroppedRecords,
                OutsideTraps = counters.OutsideTraps,
                Spurious = counters.Spurious,
                Hits = counters.Hits,
                DroppedHits = counters.DroppedHits,
            },
        };
        batch.Drops.AddRange(drops.Values);
        TakeRows(batch);
        status.AddRecords((long)(to - from));
        status.SetSites(sites.Addresses);
        status.AddDrops(Count(DropReason.CorruptRecord), Count(DropReason.UnknownOperation), Count(DropReason.OutsideImages));
        return batch;

        long Count(DropReason reason) => drops.TryGetValue(reason, out Drop? drop) ? (long)drop.Records : 0;
    }

    /// <summary>The batch that says that these positions are given up, as the collector refuses what stands there.</summary>
    public static Batch GiveUp(RingFile ring, ulong from, ulong to)
    {
        var drop = new Drop { Reason = DropReason.Refused, Records = to - from };
        for (ulong position = from; position < to;)
        {
            ReadOnlySpan<RingRecord> records = ring.Records(position, to);
            foreach (ref readonly RingRecord record in records)
                Count(drop, in record);
            position += (ulong)records.Length;
        }
        return new Batch { Ring = ring.Ring, From = from, To = to, Drops = { drop } };
    }

    private void Fold(RingFile ring, ulong position, ReadOnlySpan<RingRecord> records, Dictionary<DropReason, Drop> drops)
    {
        foreach (ref readonly RingRecord record in records)
        {
            uint elements = record.Elements;
            RecordFlags flags = record.Flags;
            ulong what = What(_targets.Of(record.Target, record.Access, flags), record.Operation, record.Size, flags);
            int index = record.Sequence == (uint)position && elements != 0 ? _cache.Find(record.Ip, what, NotKnown) : NotKnown;
            if (index < 0)
                index = Look(ring, position, record, drops);
            if (index >= 0)
            {
                ref Sum sum = ref _sums[index];
                if (sum.Elements == 0)
                    _touched.Add(index);
                sum.Executions += (flags & RecordFlags.Continued) != 0 ? 0 : (flags & RecordFlags.Counted) != 0 ? elements : 1;
                sum.Elements += elements;
            }
            position++;
        }
    }

    /// <summary>Takes a record that the cache cannot answer for, as a copy: what the producer writes meanwhile is no matter.</summary>
    /// <returns>Its index, or a negative number if it is dropped.</returns>
    private int Look(RingFile ring, ulong position, RingRecord record, Dictionary<DropReason, Drop> drops)
    {
        if (record.Sequence != (uint)position)
        {
            Drop(DropReason.CorruptRecord, ring, position, in record, drops,
                $"{DiagnosticId.RingCorruptRecord}: sequence number {record.Sequence:x8}, expected {(uint)position:x8}");
            return NotKnown;
        }
        if (!record.IsKnown || record.Elements == 0)
        {
            Drop(DropReason.UnknownOperation, ring, position, in record, drops,
                $"{DiagnosticId.RingUnknownOperation}: {record.Operation.Name()} of {record.Size} bytes, {record.Elements} elements, flags {(byte)record.Flags:x2}, at 0x{record.Ip:x} — is the wedge newer than this agent?");
            return NotKnown;
        }
        int target = _targets.Of(record.Target, record.Access, record.Flags);
        ulong what = What(target, record.Operation, record.Size, record.Flags);
        int index = _cache.Find(record.Ip, what, NotKnown);
        if (index == NotKnown)
        {
            index = IndexOf(in record, target);
            _cache.Remember(record.Ip, what, index);
        }
        if (index == Outside)
            Drop(DropReason.OutsideImages, ring, position, in record, drops, null);
        return index;
    }

    private int IndexOf(in RingRecord record, int target)
    {
        var ip = new GuestAddress(record.Ip);
        int image = images.Find(ip);
        if (image < 0)
            return Outside;
        int index = sites.IndexOf(ip, new SiteAccess(record.Operation, record.Size, _targets.NameOf(target), record.Outcome), image, ip.Unbias(images.Images[image].Bias));
        if (index >= _sums.Length)
            Array.Resize(ref _sums, Math.Max(1024, index * 2));
        return index;
    }

    /// <summary>All that tells apart what one instruction did, in a word that is never 0.</summary>
    private static ulong What(int target, Core.Operation operation, byte size, RecordFlags flags) =>
        (1UL << 63) | ((ulong)target << 24) | ((ulong)operation << 16) | ((ulong)size << 8) | (byte)(flags & (RecordFlags.Hit | RecordFlags.Counted));

    private void Drop(DropReason reason, RingFile ring, ulong position, in RingRecord record, Dictionary<DropReason, Drop> drops, string? diagnostic)
    {
        if (!drops.TryGetValue(reason, out Drop? drop))
            drops.Add(reason, drop = new Drop { Reason = reason });
        drop.Records++;
        Count(drop, in record);
        if (diagnostic is not null && drop.Records <= BadRecordsToLog)
            Log.BadRecord(log, ring.Ring, position, diagnostic);
    }

    private static void Count(Drop drop, in RingRecord record)
    {
        if (record.Outcome == Core.Outcome.Hit)
            drop.Hits += record.Executions;
        else
            drop.Traps += Math.Min(record.Executions, 1); // what is no trap that is known may claim any number
    }

    /// <summary>Rows in order of index; counts are left out where they are all 1, elements where they equal the executions.</summary>
    private void TakeRows(Batch batch)
    {
        _touched.Sort();
        bool allOne = true, allSame = true;
        foreach (int index in _touched)
        {
            Sum sum = _sums[index];
            batch.Site.Add((uint)index);
            batch.Traps.Add((ulong)sum.Executions);
            batch.Elements.Add((ulong)sum.Elements);
            allOne &= sum.Executions == 1;
            allSame &= sum.Executions == sum.Elements;
            _sums[index] = default;
        }
        _touched.Clear();
        if (allOne)
            batch.Traps.Clear();
        if (allSame)
            batch.Elements.Clear();
    }
}
