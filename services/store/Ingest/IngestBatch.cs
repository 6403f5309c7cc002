using Reheat.Core;

namespace Reheat.Store.Ingest;

/// <summary>What a count is kept by, apart from its time bucket.</summary>
public readonly record struct CountKey(SiteId Site, Operation Operation, byte Size, short Target, Outcome Outcome);

/// <summary>One site as a stream named it.</summary>
public readonly record struct SiteRef(SiteId Site, BuildId Image, ImageAddress Address);

/// <summary>The stream that a batch came on.</summary>
/// <param name="Wedge">The wedge's name.</param>
/// <param name="Epoch">Its session.</param>
/// <param name="Lease">The fencing number; a batch of an older one is not taken.</param>
/// <param name="SketchBit">The wedge's bit in sketches of distinct wedges, 0 to 255.</param>
/// <param name="Token">The name of the token that it was let in with, or null.</param>
public sealed record StreamIdentity(string Wedge, long Epoch, long Lease, int SketchBit, string? Token = null);

/// <summary>One row of a batch: how often a key was seen.</summary>
/// <param name="Key">The key's number in the batch's <see cref="KeyTable"/>.</param>
/// <param name="Executions">Executions.</param>
/// <param name="Elements">Elements.</param>
public readonly record struct CountRow(int Key, long Executions, long Elements);

/// <summary>What stood in the batch's positions and is in no row.</summary>
public readonly record struct DropRow(short Reason, long Traps, long Records, long Hits = 0);

/// <summary>The wedge's own absolute counters of a ring.</summary>
public readonly record struct WedgeCounters(long Traps, long DroppedTraps, long DroppedRecords, long OutsideTraps, long Spurious, long Hits = 0, long DroppedHits = 0);

/// <summary>What became of a batch.</summary>
public enum BatchFate
{
    /// <summary>Not decided yet.</summary>
    Pending,

    /// <summary>Counted, and the mark stands at its end.</summary>
    Counted,

    /// <summary>The mark was at or beyond its end already: counted earlier.</summary>
    Duplicate,

    /// <summary>It begins beyond the mark.</summary>
    Gap,

    /// <summary>It begins below the mark and ends beyond it.</summary>
    Overlap,

    /// <summary>Another agent holds the wedge by now.</summary>
    LeaseLost,

    /// <summary>The database cannot hold it.</summary>
    Unstorable,
}

/// <summary>Counts of the ring positions [<see cref="From"/>, <see cref="To"/>), ready to be merged.</summary>
public sealed class IngestBatch
{
    /// <summary>Whose it is.</summary>
    public required StreamIdentity Stream { get; init; }

    /// <summary>The ring.</summary>
    public required int Ring { get; init; }

    /// <summary>First position.</summary>
    public required long From { get; init; }

    /// <summary>Position after the last.</summary>
    public required long To { get; init; }

    /// <summary>What the rows' keys are.</summary>
    public required KeyTable Keys { get; init; }

    /// <summary>Rows; a key may occur more than once.</summary>
    public required CountRow[] Rows { get; init; }

    /// <summary>Executions of the rows that are traps.</summary>
    public required long Traps { get; init; }

    /// <summary>Executions of the rows that are hits.</summary>
    public required long Hits { get; init; }

    /// <summary>Numbers of the keys that this process has not yet seen in the database.</summary>
    public IReadOnlyList<int> NewKeys { get; init; } = [];

    /// <summary>Drops.</summary>
    public DropRow[] Drops { get; init; } = [];

    /// <summary>The wedge's counters, if told.</summary>
    public WedgeCounters? Counters { get; init; }

    /// <summary>The time bucket.</summary>
    public required TimeBucket Bucket { get; init; }

    /// <summary>True if the batch was older than retention and <see cref="Bucket"/> is the oldest that is kept.</summary>
    public bool Clamped { get; init; }

    /// <summary>Sites that the database did not have before; set by the commit.</summary>
    public int AddedSites { get; set; }

    /// <summary>Set by the commit.</summary>
    public BatchFate Fate { get; set; }

    /// <summary>The ring's mark after the commit.</summary>
    public long Mark { get; set; }

    /// <summary>What the database said, if the batch is <see cref="BatchFate.Unstorable"/>.</summary>
    public string Fault { get; set; } = "";
}
