using Microsoft.Extensions.Logging;

namespace Reheat.Agent;

/// <summary>All log messages of the agent; event ids 3000 to 3099.</summary>
internal static partial class Log
{
    [LoggerMessage(3000, LogLevel.Information, "wedge {Wedge}: stream to {Collector} open, epoch {Epoch:x16}, {Rings} rings")]
    public static partial void StreamOpen(ILogger log, string wedge, Uri collector, ulong epoch, int rings);

    [LoggerMessage(3001, LogLevel.Warning, "wedge {Wedge}: {Reason}; trying again in {Delay}")]
    public static partial void StreamLost(ILogger log, string wedge, string reason, TimeSpan delay);

    [LoggerMessage(3002, LogLevel.Warning, "{Diagnostic}")]
    public static partial void BadInput(ILogger log, string diagnostic);

    [LoggerMessage(3003, LogLevel.Information, "the machine's memory map has {Regions} regions now")]
    public static partial void MemoryMapRead(ILogger log, int regions);

    [LoggerMessage(3004, LogLevel.Warning, "the monitor is gone ({Reason}); addresses are named by the last memory map")]
    public static partial void MonitorGone(ILogger log, string reason);

    [LoggerMessage(3005, LogLevel.Error, "ring {Ring}: the collector's mark {Mark} is below {Tail}, up to which it had acknowledged; {Lost} records are gone. Was its database restored or replaced?")]
    public static partial void MarkWentBack(ILogger log, uint ring, ulong mark, ulong tail, ulong lost);

    [LoggerMessage(3007, LogLevel.Error, "ring {Ring}: the collector refuses the records at positions [{From}, {To}) whenever they are sent ({Reason}); they are given up and counted as dropped")]
    public static partial void GivenUp(ILogger log, uint ring, ulong from, ulong to, string reason);

    [LoggerMessage(3008, LogLevel.Warning, "session {Session}: its wedge runs in another PID namespace and cannot be seen from here; the session ends when the wedge says so. If it was killed, start the agent again with --ended")]
    public static partial void WedgeUnseen(ILogger log, string session);

    [LoggerMessage(3006, LogLevel.Warning, "ring {Ring}, position {Position}: {Diagnostic}")]
    public static partial void BadRecord(ILogger log, uint ring, ulong position, string diagnostic);
}
