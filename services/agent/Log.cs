using Microsoft.Extensions.Logging;

namespace Reheat.Agent;

/// <summary>All log messages of the agent; event ids 3000 to 3099.</summary>
internal static partial class Log
{
    [LoggerMessage(3000, LogLevel.Information, "wedge {Wedge}: stream to {Collector} open, epoch {Epoch:x16}, {Rings} rings")]
    public static partial void StreamOpen(ILogger log, string wedge, Uri collector, ulong epoch, int rings);

    [LoggerMessage(3001, LogLevel.Warning, "wedge {Wedge}: {Reason}; trying again in {Seconds} s")]
    public static partial void StreamLost(ILogger log, string wedge, string reason, double seconds);

    [LoggerMessage(3009, LogLevel.Debug, "wedge {Wedge}: still {Reason}; trying again in {Seconds} s")]
    public static partial void StreamStillLost(ILogger log, string wedge, string reason, double seconds);

    [LoggerMessage(3002, LogLevel.Warning, "{Diagnostic}")]
    public static partial void BadInput(ILogger log, string diagnostic);

    [LoggerMessage(3003, LogLevel.Information, "the machine's memory map has {Regions} regions now")]
    public static partial void MemoryMapRead(ILogger log, int regions);

    [LoggerMessage(3004, LogLevel.Warning, "the monitor is gone ({Reason}); addresses are named by the last memory map")]
    public static partial void MonitorGone(ILogger log, string reason);

    [LoggerMessage(3018, LogLevel.Warning, "{Reason}; addresses are named by the last memory map, and it is asked again in {Seconds} s")]
    public static partial void MonitorSilent(ILogger log, string reason, double seconds);

    [LoggerMessage(3010, LogLevel.Debug, "the monitor ended with its QEMU ({Reason})")]
    public static partial void MonitorEnded(ILogger log, string reason);

    [LoggerMessage(3005, LogLevel.Error, "ring {Ring}: the collector's mark {Mark} is below {Tail}, up to which it had acknowledged; {Lost} records are gone. Was its database restored or replaced?")]
    public static partial void MarkWentBack(ILogger log, uint ring, ulong mark, ulong tail, ulong lost);

    [LoggerMessage(3007, LogLevel.Error, "ring {Ring}: the collector refuses the records at positions [{From}, {To}) whenever they are sent ({Reason}); they are given up and counted as dropped")]
    public static partial void GivenUp(ILogger log, uint ring, ulong from, ulong to, string reason);

    [LoggerMessage(3008, LogLevel.Warning, "session {Session}: its wedge runs in another PID namespace and cannot be seen from here; the session ends when the wedge says so. If it was killed, start the agent again with --ended")]
    public static partial void WedgeUnseen(ILogger log, string session);

    [LoggerMessage(3011, LogLevel.Warning, "records go to the spool in {Directory}: the collector does not take them fast enough, or not at all")]
    public static partial void Spooling(ILogger log, string directory);

    [LoggerMessage(3012, LogLevel.Warning, "{Path}: its last {Bytes} bytes, from {At} on, are no whole batch and are cut off: this process or the machine was stopped while they were written")]
    public static partial void SpoolTorn(ILogger log, string path, long at, long bytes);

    [LoggerMessage(3013, LogLevel.Error, "{Path}: {Bytes} bytes that are no segment of a spool are put aside as {Path}.aside; what they held shows as records that are lost")]
    public static partial void SpoolUnreadable(ILogger log, string path, long bytes);

    [LoggerMessage(3014, LogLevel.Error, "the spool is full: {Path} is dropped, {Traps} traps; at most {Limit} bytes (--spool-size)")]
    public static partial void SpoolFull(ILogger log, string path, long limit, ulong traps);

    [LoggerMessage(3015, LogLevel.Error, "spool {Directory} takes nothing: {Reason}; records stay in the rings")]
    public static partial void SpoolFailed(ILogger log, string directory, string reason);

    [LoggerMessage(3016, LogLevel.Information, "what session {Epoch:x16} had left in the spool is delivered")]
    public static partial void SpoolDelivered(ILogger log, ulong epoch);

    [LoggerMessage(3017, LogLevel.Error, "what session {Epoch:x16} left in the spool is put aside in {Directory}, as no collector takes it: {Reason}")]
    public static partial void SpoolPutAside(ILogger log, ulong epoch, string directory, string reason);

    [LoggerMessage(3006, LogLevel.Warning, "ring {Ring}, position {Position}: {Diagnostic}")]
    public static partial void BadRecord(ILogger log, uint ring, ulong position, string diagnostic);
}
