using Reheat.Agent.Spooling;

namespace Reheat.Agent;

/// <summary>What an agent is told.</summary>
public sealed record AgentOptions
{
    /// <summary>The session directory that the wedge made.</summary>
    public required string Session { get; init; }

    /// <summary>The collector, for example <c>http://127.0.0.1:7420</c>.</summary>
    public required Uri Collector { get; init; }

    /// <summary>Further collectors of the same database: where one fails the next is tried, round and round.</summary>
    public IReadOnlyList<Uri> Fallbacks { get; init; } = [];

    /// <summary>The wedge's stable name, unique in the fleet.</summary>
    public required string Wedge { get; init; }

    /// <summary>The images of the guest, with the bias they are loaded with.</summary>
    public required IReadOnlyList<GuestImage> Images { get; init; }

    /// <summary>QEMU's monitor, if targets are to be named through the machine's memory map.</summary>
    public string? MonitorSocket { get; init; }

    /// <summary>
    /// Ends with an exception where the collector knows nothing of a session of which records were acknowledged before: as a rule the wedge's name is another
    /// one than it was. Otherwise these records are told to be lost, and the rest is streamed.
    /// </summary>
    public bool RefuseUnknownSession { get; init; }

    /// <summary>Where records wait for a collector that is away, or null: then they wait in the rings alone.</summary>
    public SpoolOptions? Spool { get; init; }

    /// <summary>Sent with each stream, or null.</summary>
    public string? Token { get; init; }

    /// <summary>How often the rings are looked at.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>Records of one batch at most.</summary>
    public int MaxBatchRecords { get; init; } = 1 << 16;

    /// <summary>Batches that may be under way without an acknowledgement.</summary>
    public int Window { get; init; } = 64;
}
