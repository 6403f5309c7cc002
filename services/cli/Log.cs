using Microsoft.Extensions.Logging;

namespace Reheat.Cli;

/// <summary>All log messages of the command line itself; event ids 5000 to 5099.</summary>
internal static partial class Log
{
    [LoggerMessage(5000, LogLevel.Debug, "the monitor's connection ended: {Reason}")]
    public static partial void MonitorEnded(ILogger log, string reason);
}
