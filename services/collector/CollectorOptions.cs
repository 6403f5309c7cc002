using Reheat.Collector.Limits;
using Reheat.Store.Ingest;

namespace Reheat.Collector;

/// <summary>Settings of a collector; bound from the section <c>Collector</c> and checked at start.</summary>
public sealed record CollectorOptions
{
    /// <summary>Npgsql connection string (one Citus coordinator is as good as one PostgreSQL).</summary>
    public string Database { get; init; } = "";

    /// <summary>Where to listen for gRPC (HTTP/2 without TLS): host:port; loopback unless told otherwise. Port 0 takes a free one.</summary>
    public string Listen { get; init; } = "127.0.0.1:7420";

    /// <summary>How long batches of many streams are gathered into one commit.</summary>
    public TimeSpan CommitInterval { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Batches that may wait for a commit, over all streams; streams wait beyond that.</summary>
    public int QueuedBatches { get; init; } = 4096;

    /// <summary>Rows, folded by stream, that may wait for a commit, over all streams; streams wait beyond that.</summary>
    public long QueuedRows { get; init; } = 3_000_000;

    /// <summary>A lease on a wedge lapses after so long without a message.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Counts are kept by the minute for so long, and then by the hour.</summary>
    public TimeSpan KeepMinutes { get; init; } = TimeSpan.FromDays(2);

    /// <summary>
    /// Counts are kept by the hour for so long, and then by the day. Batches older than this are counted at this age; epochs older than this are refused, unless their
    /// marks are still known.
    /// </summary>
    public TimeSpan Retention { get; init; } = TimeSpan.FromDays(30);

    /// <summary>Counts are kept by the day for so long; totals of sites are kept for ever.</summary>
    public TimeSpan KeepDays { get; init; } = TimeSpan.FromDays(400);

    /// <summary>How often partitions are made ahead, rolled up and dropped; 0: never by this collector.</summary>
    public TimeSpan HousekeepingInterval { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Rows of one batch, and new sites of one batch.</summary>
    public int MaxBatchRows { get; init; } = 100_000;

    /// <summary>Distinct sites of one stream.</summary>
    public int MaxSites { get; init; } = 1_000_000;

    /// <summary>Sites that one wedge may be the first to name, over all of its epochs that are remembered: what it can add to the database has an end.</summary>
    public int MaxNewSites { get; init; } = 1_000_000;

    /// <summary>Images of one stream.</summary>
    public int MaxImages { get; init; } = 4096;

    /// <summary>Streams of this collector; 0: no limit.</summary>
    public int MaxStreams { get; init; } = 20_000;

    /// <summary>Records a second of one wedge; 0: no limit. What is more waits: nothing is lost.</summary>
    public long MaxRecordsPerSecond { get; init; }

    /// <summary>Who may stream. None: everyone who reaches the port.</summary>
    public IReadOnlyList<TokenOptions> Tokens { get; init; } = [];

    /// <summary>Names of targets that the database takes.</summary>
    public int MaxTargets { get; init; } = Store.Ingest.TargetStore.DefaultLimit;

    /// <summary>Names of targets that one wedge, or the wedges of one token together, may be the first to use.</summary>
    public int MaxNewTargets { get; init; } = 512;

    /// <summary>Distinct things that all open streams may count, in memory: sites, and what was done to what by each.</summary>
    public int MaxKeys { get; init; } = 16_000_000;

    /// <summary>Answers that a stream's client may leave unread; one that reads none would otherwise fill the collector's memory.</summary>
    public int MaxUnreadAnswers { get; init; } = 16_384;

    /// <summary>The longest wait of a <c>pull</c> for a fresh list.</summary>
    public TimeSpan PullTimeout { get; init; } = TimeSpan.FromMinutes(2);

    internal BucketRule Buckets => new(KeepMinutes, Retention);

    /// <summary>Throws with the setting's name and value if one makes no sense.</summary>
    public CollectorOptions Validated()
    {
        Require(Database.Length > 0, nameof(Database), Database, "a PostgreSQL connection string is needed");
        Require(TrySplitListen(Listen, out _, out _), nameof(Listen), Listen, "expected HOST:PORT, for example 127.0.0.1:7420");
        Require(CommitInterval >= TimeSpan.Zero && CommitInterval <= TimeSpan.FromSeconds(10), nameof(CommitInterval), CommitInterval, "expected 0 to 10 s");
        Require(QueuedBatches is >= 1 and <= 1_000_000, nameof(QueuedBatches), QueuedBatches, "expected 1 to 1,000,000");
        Require(Lease >= TimeSpan.FromSeconds(1) && Lease <= TimeSpan.FromMinutes(10), nameof(Lease), Lease, "expected 1 s to 10 min");
        Require(Retention >= TimeSpan.FromHours(1), nameof(Retention), Retention, "expected at least an hour");
        Require(KeepMinutes >= TimeSpan.FromHours(1) && KeepMinutes <= Retention, nameof(KeepMinutes), KeepMinutes, $"expected an hour to the Retention, {Retention}");
        Require(KeepDays >= Retention, nameof(KeepDays), KeepDays, $"expected at least the Retention, {Retention}");
        Require(HousekeepingInterval >= TimeSpan.Zero, nameof(HousekeepingInterval), HousekeepingInterval, "expected 0 or more");
        Require(QueuedRows >= 1, nameof(QueuedRows), QueuedRows, "expected at least 1");
        Require(MaxBatchRows >= 1, nameof(MaxBatchRows), MaxBatchRows, "expected at least 1");
        Require(MaxSites >= 1, nameof(MaxSites), MaxSites, "expected at least 1");
        Require(MaxNewSites >= 1, nameof(MaxNewSites), MaxNewSites, "expected at least 1");
        Require(MaxImages >= 1, nameof(MaxImages), MaxImages, "expected at least 1");
        Require(MaxStreams >= 0, nameof(MaxStreams), MaxStreams, "expected 0 (no limit) or more");
        Require(MaxRecordsPerSecond >= 0, nameof(MaxRecordsPerSecond), MaxRecordsPerSecond, "expected 0 (no limit) or more");
        foreach (TokenOptions token in Tokens)
        {
            Require(token.Name.Length > 0, "Tokens:Name", token.Name, "each token needs a name, for views and messages");
            Require(token.Sha256.Length == 64 && token.Sha256.All(char.IsAsciiHexDigit), "Tokens:Sha256", token.Sha256, $"token {token.Name}: expected 64 hexadecimal digits: printf %s TOKEN | sha256sum");
            Require(token is { MaxStreams: >= 0, MaxRecordsPerSecond: >= 0, MaxBatchRows: >= 0, MaxImages: >= 0, MaxSites: >= 0, MaxNewSites: >= 0 }, "Tokens", token.Name, "limits are 0 (none) or more");
        }
        Require(Tokens.Select(t => t.Name).Distinct().Count() == Tokens.Count, "Tokens:Name", Tokens.Count, "two tokens have one name: what each adds is kept by name");
        Require(Tokens.Select(t => t.Sha256.ToUpperInvariant()).Distinct().Count() == Tokens.Count, nameof(Tokens), Tokens.Count, "a token stands there twice");
        Require(MaxTargets is >= 1 and <= short.MaxValue, nameof(MaxTargets), MaxTargets, "expected 1 to 32,767");
        Require(MaxNewTargets >= 1, nameof(MaxNewTargets), MaxNewTargets, "expected at least 1");
        Require(MaxKeys >= 1, nameof(MaxKeys), MaxKeys, "expected at least 1");
        Require(MaxUnreadAnswers >= 1, nameof(MaxUnreadAnswers), MaxUnreadAnswers, "expected at least 1");
        return this;
    }

    /// <summary>Splits HOST:PORT.</summary>
    public static bool TrySplitListen(string listen, out string host, out int port)
    {
        int colon = listen.LastIndexOf(':');
        host = colon > 0 ? listen[..colon].Trim('[', ']') : "";
        port = 0;
        return host.Length > 0 && int.TryParse(listen.AsSpan(colon + 1), out port) && port is >= 0 and <= 65535;
    }

    private static void Require(bool holds, string name, object value, string expected)
    {
        if (!holds)
            throw new InvalidOperationException($"Collector:{name} is \"{value}\": {expected}");
    }
}
