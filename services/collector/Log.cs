namespace Reheat.Collector;

/// <summary>All log messages of the collector; event ids 2000 to 2099.</summary>
internal static partial class Log
{
    [LoggerMessage(2000, LogLevel.Information, "collector listens on {Address}")]
    public static partial void Listening(ILogger log, string address);

    [LoggerMessage(2001, LogLevel.Information, "wedge {Wedge} (guest {Guest}, host {Host}) opened its stream: epoch {Epoch:x16}, {Rings} rings, lease {Lease}")]
    public static partial void StreamOpened(ILogger log, string wedge, string guest, string host, ulong epoch, int rings, long lease);

    [LoggerMessage(2002, LogLevel.Information, "wedge {Wedge} closed its stream in order")]
    public static partial void StreamClosed(ILogger log, string wedge);

    [LoggerMessage(2003, LogLevel.Information, "wedge {Wedge} lost its stream: {Reason}")]
    public static partial void StreamLost(ILogger log, string wedge, string reason);

    [LoggerMessage(2004, LogLevel.Warning, "wedge {Wedge}: batch {Ring} [{From}, {To}) refused: {Reason}")]
    public static partial void BatchRefused(ILogger log, string wedge, uint ring, ulong from, ulong to, string reason);

    [LoggerMessage(2005, LogLevel.Warning, "commit of {Batches} batches failed, trying again in {Seconds} s: {Reason}")]
    public static partial void CommitFailed(ILogger log, int batches, double seconds, string reason);

    [LoggerMessage(2006, LogLevel.Information, "the database answers again after {Attempts} attempts")]
    public static partial void CommitRecovered(ILogger log, int attempts);

    [LoggerMessage(2007, LogLevel.Warning, "the database is away: {Reason}; trying again in {Seconds} s")]
    public static partial void DatabaseAway(ILogger log, string reason, double seconds);

    [LoggerMessage(2008, LogLevel.Information, "build {Build} of series {Series} registered with {Images} images")]
    public static partial void BuildRegistered(ILogger log, long build, string series, int images);

    [LoggerMessage(2009, LogLevel.Warning, "leases could not be renewed: {Reason}")]
    public static partial void RenewFailed(ILogger log, string reason);

    [LoggerMessage(2010, LogLevel.Warning, "wedge {Wedge} refused: {Reason}")]
    public static partial void StreamRefused(ILogger log, string wedge, string reason);

    [LoggerMessage(2012, LogLevel.Warning, "{Method} failed, the database is away: {Reason}")]
    public static partial void CallFailed(ILogger log, string method, string reason);

    [LoggerMessage(2013, LogLevel.Warning, "{Reason}: what was remembered of it is forgotten, and all streams begin anew")]
    public static partial void DatabaseReplaced(ILogger log, string reason);

    [LoggerMessage(2014, LogLevel.Error, "wedge {Wedge}: the database refused: {Reason}")]
    public static partial void StreamBroke(ILogger log, Exception exception, string wedge, string reason);

    [LoggerMessage(2015, LogLevel.Information, "partition {Partition} rolled up, {Rows} rows")]
    public static partial void RolledUp(ILogger log, string partition, long rows);

    [LoggerMessage(2016, LogLevel.Information, "partition {Partition} dropped: its time is over")]
    public static partial void Dropped(ILogger log, string partition);

    [LoggerMessage(2017, LogLevel.Information, "deleted what nobody will ask for again: {Marks} marks, {Wedges} wedges, {Jobs} jobs")]
    public static partial void Deleted(ILogger log, int marks, int wedges, int jobs);

    [LoggerMessage(2018, LogLevel.Warning, "housekeeping failed, next time it is tried again: {Reason}")]
    public static partial void HousekeepingFailed(ILogger log, string reason);

    [LoggerMessage(2019, LogLevel.Warning, "the database's clock says {Database:u}, this collector's {Own:u}: nothing is rolled up or dropped until they agree within an hour")]
    public static partial void ClocksDiffer(ILogger log, DateTimeOffset database, DateTimeOffset own);

    [LoggerMessage(2020, LogLevel.Warning, "{Refusals} counts of refusals are lost: {Reason}")]
    public static partial void RefusalsLost(ILogger log, long refusals, string reason);

    [LoggerMessage(2011, LogLevel.Error, "committer stopped unexpectedly")]
    public static partial void CommitterDied(ILogger log, Exception exception);
}
