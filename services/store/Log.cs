using Microsoft.Extensions.Logging;

namespace Reheat.Store;

/// <summary>All log messages of the store; event ids 1000 to 1099.</summary>
internal static partial class Log
{
    [LoggerMessage(1000, LogLevel.Information, "applied migration {Version:0000}_{Name}")]
    public static partial void MigrationApplied(ILogger log, int version, string name);

    [LoggerMessage(1002, LogLevel.Warning, "{Notice}")]
    public static partial void MigrationNotice(ILogger log, string notice);

    [LoggerMessage(1001, LogLevel.Information, "private PostgreSQL {Version} listens on {Socket}, data in {Directory}")]
    public static partial void ClusterStarted(ILogger log, string version, string socket, string directory);
}
