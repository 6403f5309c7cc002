namespace Reheat.Core.Ring.Checking;

/// <summary>How a ring stands.</summary>
public enum RingState
{
    /// <summary>Its producer may push more.</summary>
    Open,

    /// <summary>Its producer said that it has ended.</summary>
    Closed,

    /// <summary>Its producer is gone without a word.</summary>
    Abandoned,
}

/// <summary>What was looked at of one ring.</summary>
/// <param name="Ring">Its number.</param>
/// <param name="State">How it stood at the end.</param>
/// <param name="Version">Its format version.</param>
/// <param name="Capacity">Records that it holds.</param>
/// <param name="Records">Records pushed so far.</param>
/// <param name="Checked">Records that were checked: those that were overwritten before are not.</param>
/// <param name="Counters">The producer's own counts.</param>
public sealed record RingReport(uint Ring, RingState State, uint Version, ulong Capacity, ulong Records, ulong Checked, RingCounters Counters);

/// <summary>What a session directory holds, and what of the ring's contract it does not keep.</summary>
public sealed record SessionReport
{
    /// <summary>Who the wedge is; null if nobody says.</summary>
    public required WedgeInfo? Wedge { get; init; }

    /// <summary>In order of number.</summary>
    public required IReadOnlyList<RingReport> Rings { get; init; }

    /// <summary>Distinct instructions that records name.</summary>
    public required int Sites { get; init; }

    /// <summary>Entries of the code file.</summary>
    public required long CodeEntries { get; init; }

    /// <summary>The first violations of each kind, in the order in which they were found.</summary>
    public required IReadOnlyList<Diagnostic> Violations { get; init; }

    /// <summary>How many there are of each kind.</summary>
    public required IReadOnlyDictionary<DiagnosticId, long> Counts { get; init; }
}
