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

    private long[] _executions = [];
    private long[] _elements = [];
    private readonly List<int> _touched = [];

    /// <summary>The batch of the positions [<paramref name="from"/>, <paramref name="to"/>).</summary>
    public Batch Cut(RingFile ring, ulong from, ulong to)
    {
        var drops = new Dictionary<DropReason, Drop>();
        for (ulong position = from; position < to;)
        {
            ReadOnlySpan<RingRecord> records = ring.Records(position, to);
            for (int i = 0; i < records.Length; i++)
                Take(ring, position + (ulong)i, in records[i], drops);
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

    private void Take(RingFile ring, ulong position, in RingRecord record, Dictionary<DropReason, Drop> drops)
    {
        if (record.Sequence != (uint)position)
        {
            Drop(DropReason.CorruptRecord, ring, position, in record, drops,
                $"{DiagnosticId.RingCorruptRecord}: sequence number {record.Sequence:x8}, expected {(uint)position:x8}");
            return;
        }
        if (!record.IsKnown || record.Elements == 0)
        {
            Drop(DropReason.UnknownOperation, ring, position, in record, drops,
                $"{DiagnosticId.RingUnknownOperation}: {record.Operation.Name()} of {record.Size} bytes, {record.Elements} elements, flags {(byte)record.Flags:x2}, at 0x{record.Ip:x} — is the wedge newer than this agent?");
            return;
        }
        var ip = new GuestAddress(record.Ip);
        int image = images.Find(ip);
        if (image < 0)
        {
            Drop(DropReason.OutsideImages, ring, position, in record, drops, null);
            return;
        }
        int index = sites.IndexOf(ip, new SiteAccess(record.Operation, record.Size, TargetOf(in record), record.Outcome), image, ip.Unbias(images.Images[image].Bias));
        if (index >= _executions.Length)
        {
            Array.Resize(ref _executions, Math.Max(1024, index * 2));
            Array.Resize(ref _elements, _executions.Length);
        }
        if (_elements[index] == 0)
            _touched.Add(index);
        _executions[index] += record.Executions;
        _elements[index] += record.Elements;
    }

    private string TargetOf(in RingRecord record) =>
        record.Target != RingFormat.TargetByAddress
            ? record.Target < targets.Count ? targets[record.Target] : TargetNames.Unknown
            : (record.Flags & RecordFlags.VirtualAccess) == 0 ? namer.Name(new PhysicalAddress(record.Access)) : TargetNames.Unknown;

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
            batch.Site.Add((uint)index);
            batch.Traps.Add((ulong)_executions[index]);
            batch.Elements.Add((ulong)_elements[index]);
            allOne &= _executions[index] == 1;
            allSame &= _executions[index] == _elements[index];
            _executions[index] = _elements[index] = 0;
        }
        _touched.Clear();
        if (allOne)
            batch.Traps.Clear();
        if (allSame)
            batch.Elements.Clear();
    }
}
