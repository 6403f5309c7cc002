namespace Reheat.Agent.Spooling;

/// <summary>The numbers of spool.proto.</summary>
internal static class SpoolFormat
{
    /// <summary>"HEATSPL1" read as a little-endian number.</summary>
    public const ulong Magic = 0x314c_5053_5441_4548;

    public const int FrameBytes = 8;

    /// <summary>No message is larger: batches fit into a request.</summary>
    public const int MaxMessageBytes = 4 << 20;

    public const long LeastSegmentBytes = 4 << 10;

    public const long MostSegmentBytes = 4 << 20;

    public const string SegmentSuffix = ".spool", AsideSuffix = ".aside", LockFile = "lock", ReserveFile = "reserve", LimitsFile = "limits";

    /// <summary>Segments sort by their numbers.</summary>
    public static string NameOf(ulong epoch, long number) => $"{number:d12}-{epoch:x16}{SegmentSuffix}";
}
