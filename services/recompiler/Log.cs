using Microsoft.Extensions.Logging;

namespace Reheat.Recompiler;

/// <summary>All log messages of the recompiler; event ids 4000 to 4099.</summary>
internal static partial class Log
{
    [LoggerMessage(4000, LogLevel.Information, "build {Build}: list version {Version}, {Annotations} annotations, {Refused} sites refused, {Milliseconds} ms")]
    public static partial void ListMade(ILogger log, long build, int version, int annotations, int refused, long milliseconds);

    [LoggerMessage(4001, LogLevel.Warning, "build {Build}: attempt {Attempt} failed: {Reason}")]
    public static partial void JobFailed(ILogger log, Exception exception, long build, int attempt, string reason);

    [LoggerMessage(4002, LogLevel.Warning, "the database is away: {Reason}; trying again in {Seconds} s")]
    public static partial void DatabaseAway(ILogger log, string reason, double seconds);

    [LoggerMessage(4003, LogLevel.Warning, "build {Build}: another worker took the job over; this result is thrown away")]
    public static partial void ClaimLost(ILogger log, long build);

    [LoggerMessage(4004, LogLevel.Warning, "{Diagnostic}")]
    public static partial void BadInput(ILogger log, string diagnostic);
}
