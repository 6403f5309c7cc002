namespace Reheat.Collector.Limits;

/// <summary>One of <c>Collector:Tokens</c>: who may stream, and how much.</summary>
public sealed record TokenOptions
{
    /// <summary>For people, for views and messages.</summary>
    public string Name { get; init; } = "";

    /// <summary>SHA-256 of the token, 64 hexadecimal digits: <c>printf %s TOKEN | sha256sum</c>. The token itself is in no setting.</summary>
    public string Sha256 { get; init; } = "";

    /// <summary>Streams at a time; 0: no limit.</summary>
    public int MaxStreams { get; init; }

    /// <summary>Records a second over all of its streams on one collector; 0: no limit. What is more waits: nothing is lost.</summary>
    public long MaxRecordsPerSecond { get; init; }

    /// <summary>Rows of one batch; 0: as the collector has it.</summary>
    public int MaxBatchRows { get; init; }

    /// <summary>Images of one stream; 0: as the collector has it.</summary>
    public int MaxImages { get; init; }

    /// <summary>Distinct sites of one stream; 0: as the collector has it.</summary>
    public int MaxSites { get; init; }

    /// <summary>Sites that all of its streams together may be the first to name, over all collectors; 0: no limit. Wedges choose their names, tokens do not.
    /// Committed sites count: what is named within one commit interval is judged by what was committed before.</summary>
    public int MaxNewSites { get; init; }
}
