using Reheat.V1;

namespace Reheat.Collector.Ingest.Wire;

/// <summary>A batch whose row columns are still as the wire has them.</summary>
internal sealed class WireBatch
{
    private const int VarintWire = 0, BytesWire = 2;

    /// <summary>The ring.</summary>
    public uint Ring { get; private set; }

    /// <summary>First position.</summary>
    public ulong From { get; private set; }

    /// <summary>Position after the last.</summary>
    public ulong To { get; private set; }

    /// <summary>Age in nanoseconds.</summary>
    public ulong AgeNs { get; private set; }

    /// <summary>Dictionary entries, or null.</summary>
    public SiteColumns? NewSites { get; private set; }

    /// <summary>The wedge's counters, or null.</summary>
    public RingCounters? Counters { get; private set; }

    /// <summary>Drops.</summary>
    public List<Drop> Drops { get; } = [];

    /// <summary>Dictionary indexes, a row each.</summary>
    public WireColumn Site { get; private set; }

    /// <summary>Executions; empty: 1 in each row.</summary>
    public WireColumn Traps { get; private set; }

    /// <summary>Elements; empty: as executions.</summary>
    public WireColumn Elements { get; private set; }

    /// <summary>
    /// Reads a batch with its length in front, from <paramref name="at"/> to the end of the message. Null if it is laid out in another way than writers do it:
    /// then protobuf's own reader decides what it is.
    /// </summary>
    public static WireBatch? TryRead(byte[] message, int at, int end)
    {
        var reader = new WireReader(message.AsSpan(0, end), at);
        if (!reader.TryVarint(out ulong length))
            return null;
        if (length + MessageChecksum.Bytes == (ulong)(end - reader.Position) && MessageChecksum.IsThere(message.AsSpan(0, end)))
            reader = new WireReader(message.AsSpan(0, end - MessageChecksum.Bytes), reader.Position);
        else if (length != (ulong)(end - reader.Position))
            return null;
        var batch = new WireBatch();
        while (!reader.AtEnd)
        {
            if (!reader.TryVarint(out ulong tag) || !batch.TryField((int)(tag >> 3), (int)(tag & 7), message, ref reader))
                return null;
        }
        return batch;
    }

    /// <summary>A batch that protobuf's own reader has read.</summary>
    public static WireBatch Of(Batch batch)
    {
        var wire = new WireBatch
        {
            Ring = batch.Ring,
            From = batch.From,
            To = batch.To,
            AgeNs = batch.AgeNs,
            NewSites = batch.NewSites,
            Counters = batch.Counters,
            Site = WireColumn.Of(batch.Site.Select(s => (ulong)s)),
            Traps = WireColumn.Of(batch.Traps),
            Elements = WireColumn.Of(batch.Elements),
        };
        wire.Drops.AddRange(batch.Drops);
        return wire;
    }

    /// <summary>Lets go of everything large.</summary>
    public void Forget()
    {
        (NewSites, Counters) = (null, null);
        (Site, Traps, Elements) = (default, default, default);
        Drops.Clear();
    }

    private bool TryField(int field, int wire, byte[] message, ref WireReader reader)
    {
        if (wire == VarintWire)
            return reader.TryVarint(out ulong number) && TryNumber(field, number);
        if (wire != BytesWire || !reader.TryBytes(out int start, out int length))
            return false;
        ReadOnlySpan<byte> bytes = message.AsSpan(start, length);
        switch (field)
        {
            case Batch.NewSitesFieldNumber when NewSites is null:
                NewSites = SiteColumns.Parser.ParseFrom(bytes);
                return true;
            case Batch.CountersFieldNumber when Counters is null:
                Counters = RingCounters.Parser.ParseFrom(bytes);
                return true;
            case Batch.DropsFieldNumber:
                Drops.Add(Drop.Parser.ParseFrom(bytes));
                return true;
            case Batch.SiteFieldNumber when Site.IsEmpty:
                Site = new WireColumn(message, start, length);
                return Site.IsWhole;
            case Batch.TrapsFieldNumber when Traps.IsEmpty:
                Traps = new WireColumn(message, start, length);
                return Traps.IsWhole;
            case Batch.ElementsFieldNumber when Elements.IsEmpty:
                Elements = new WireColumn(message, start, length);
                return Elements.IsWhole;
            default:
                return false;
        }
    }

    private bool TryNumber(int field, ulong number)
    {
        switch (field)
        {
            case Batch.RingFieldNumber:
                Ring = unchecked((uint)number);
                return true;
            case Batch.FromFieldNumber:
                From = number;
                return true;
            case Batch.ToFieldNumber:
                To = number;
                return true;
            case Batch.AgeNsFieldNumber:
                AgeNs = number;
                return true;
            default:
                return false;
        }
    }
}
