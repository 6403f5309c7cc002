namespace Reheat.Agent.Spooling;

/// <summary>When what was spooled must be on the disk.</summary>
public enum SpoolSync
{
    /// <summary>Before the ring forgets it: a machine that loses power loses nothing that was taken out of a ring.</summary>
    Always,

    /// <summary>When a segment is full: a machine that loses power may lose the newest segment.</summary>
    Segment,

    /// <summary>When the system sees fit. A process that is killed loses nothing in any case.</summary>
    Never,
}

/// <summary>An agent's spool.</summary>
public sealed record SpoolOptions
{
    /// <summary>The smallest size: two segments of 4 KiB.</summary>
    public const long LeastBytes = 2 * SpoolFormat.LeastSegmentBytes;

    /// <summary>The directory; each wedge has one of its own in it.</summary>
    public required string Directory { get; init; }

    /// <summary>Bytes at most. When it is full the oldest segment goes, and what was in it is counted as dropped.</summary>
    public long MaxBytes { get; init; } = 1L << 30;

    /// <summary>Records that the collector has not acknowledged for so long go to disk; a ring that is half full goes at once.</summary>
    public TimeSpan After { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>When it must be on the disk.</summary>
    public SpoolSync Sync { get; init; } = SpoolSync.Always;
}
