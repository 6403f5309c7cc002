using Reheat.V1;

namespace Reheat.Agent.Spooling;

internal sealed partial class Spool
{
    // Segments that say what was dropped, and hold nothing else.
    private readonly HashSet<long> _dropped = [];

    /// <summary>Replaces a segment by one that says what it held, merged with the one before it if that says so too.</summary>
    private bool Drop(SpoolSegment segment, SentCuts cuts)
    {
        int at = _segments.IndexOf(segment);
        SpoolSegment? before = at > 0 && _dropped.Contains(_segments[at - 1].Number) && _segments[at - 1].Hello.Epoch == segment.Hello.Epoch ? _segments[at - 1] : null;
        var said = new List<SpooledBatch>();
        if (before is not null && SpoolSegment.Read(before.Path) is { } earlier)
            said.AddRange(earlier.Batches);
        ulong traps = 0;
        if (SpoolSegment.Read(segment.Path) is { } read)
        {
            var kinds = new List<SiteKind>();
            var sites = new List<uint>();
            foreach (SpooledBatch batch in read.Batches)
                said.Add(Dropped(batch, kinds, sites, ref traps));
        }
        // What is stored is no loss, and the collector's mark stands where it ends.
        said.RemoveAll(b => b.Batch.To <= _released.GetValueOrDefault((segment.Hello.Epoch, b.Batch.Ring)));
        try
        {
            SpoolSegment replaced = Replace(segment, Merged(segment.Hello.Epoch, said, cuts));
            _segments[at] = replaced;
            _dropped.Add(replaced.Number);
            if (before is not null)
            {
                _dropped.Remove(before.Number);
                Delete(before);
            }
            Log.SpoolFull(_log, segment.Path, _options.MaxBytes, traps);
            return true;
        }
        catch (IOException e)
        {
            Log.SpoolFailed(_log, _directory, e.Message);
            return false;
        }
    }

    private SpoolSegment Replace(SpoolSegment segment, IEnumerable<SpooledBatch> batches)
    {
        string work = Path.Combine(_directory, "dropping");
        Directory.CreateDirectory(work);
        string made = Path.Combine(work, SpoolFormat.NameOf(segment.Hello.Epoch, segment.Number));
        File.Delete(made);
        try
        {
            Write();
        }
        catch (IOException) when (File.Exists(Path.Combine(_directory, SpoolFormat.ReserveFile)))
        {
            // A disk that others have filled: this is what the reserve is for.
            File.Delete(made);
            File.Delete(Path.Combine(_directory, SpoolFormat.ReserveFile));
            Write();
        }
        File.Move(made, segment.Path, overwrite: true);
        DirectorySync.Flush(_directory);
        MakeReserve();
        return SpoolSegment.Read(segment.Path)!.Value.Segment;

        void Write()
        {
            (SpoolSegment small, FileStream file) = SpoolSegment.Create(work, segment.Number, segment.Hello);
            using (file)
            {
                foreach (SpooledBatch batch in batches)
                    small.Append(file, batch);
                RandomAccess.FlushToDisk(file.SafeFileHandle);
            }
        }
    }

    /// <summary>The batch that says what a batch held; what was dropped in it before stays dropped for its own reason.</summary>
    private static SpooledBatch Dropped(SpooledBatch spooled, List<SiteKind> kinds, List<uint> sites, ref ulong allTraps)
    {
        Batch batch = spooled.Batch;
        if (batch.NewSites is { } named)
        {
            kinds.AddRange(named.NewKinds);
            sites.AddRange(named.Kind);
        }
        ulong traps = 0, hits = 0;
        for (int row = 0; row < batch.Site.Count; row++)
        {
            ulong executions = batch.Traps.Count == 0 ? 1 : batch.Traps[row];
            if (kinds[(int)sites[(int)batch.Site[row]]].Outcome == Outcome.Trap)
                traps += executions;
            else
                hits += executions;
        }
        allTraps += traps;
        ulong records = batch.To - batch.From;
        foreach (Drop drop in batch.Drops)
            records -= Math.Min(records, drop.Records);
        var said = new Batch { Ring = batch.Ring, From = batch.From, To = batch.To, Counters = batch.Counters };
        said.Drops.AddRange(batch.Drops);
        if (records > 0)
            said.Drops.Add(new Drop { Reason = DropReason.SpoolFull, Traps = traps, Records = records, Hits = hits });
        return new SpooledBatch { Batch = said, BootId = spooled.BootId, SeenMonotonicNs = spooled.SeenMonotonicNs, SeenUnixNs = spooled.SeenUnixNs };
    }

    /// <summary>Neighbours of a ring become one, but for where the collector's mark may come to stand.</summary>
    private static IEnumerable<SpooledBatch> Merged(ulong epoch, IEnumerable<SpooledBatch> said, SentCuts cuts)
    {
        var open = new Dictionary<uint, SpooledBatch>();
        foreach (SpooledBatch next in said)
        {
            Batch batch = next.Batch;
            if (open.TryGetValue(batch.Ring, out SpooledBatch? last) && last.Batch.To == batch.From && cuts.FirstWithin(epoch, batch.Ring, batch.From - 1, batch.To) != batch.From)
            {
                last.Batch.To = batch.To;
                last.Batch.Counters = batch.Counters ?? last.Batch.Counters;
                foreach (Drop drop in batch.Drops)
                {
                    if (last.Batch.Drops.FirstOrDefault(d => d.Reason == drop.Reason) is { } same)
                        (same.Traps, same.Records, same.Hits) = (same.Traps + drop.Traps, same.Records + drop.Records, same.Hits + drop.Hits);
                    else
                        last.Batch.Drops.Add(drop);
                }
                continue;
            }
            if (last is not null)
                yield return last;
            open[batch.Ring] = next;
        }
        foreach (SpooledBatch last in open.Values)
            yield return last;
    }
}
