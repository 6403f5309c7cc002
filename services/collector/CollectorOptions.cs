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
    public int QueuedBatches { get; init; } = 1024;

    /// <summary>A lease on a wedge lapses after so long without a message.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Batches older than this are counted at this age, and older epochs are refused.</summary>
    public TimeSpan Retention { get; init; } = TimeSpan.FromDays(30);

    /// <summary>Rows of one batch, and new sites of one batch.</summary>
    public int MaxBatchRows { get; init; } = 100_000;

    /// <summary>Distinct sites of one stream.</summary>
    public int MaxSites { get; init; } = 1_000_000;

    /// <summary>Names of targets that the database takes.</summary>
    public int MaxTargets { get; init; } = Store.Ingest.TargetStore.DefaultLimit;

    /// <summary>Answers that a stream's client may leave unread; one that reads none would otherwise fill the collector's memory.</summary>
    public int MaxUnreadAnswers { get; init; } = 16_384;

    /// <summary>The longest wait of a <c>pull</c> for a fresh list.</summary>
    public TimeSpan PullTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Throws with the setting's name and value if one makes no sense.</summary>
    public CollectorOptions Validated()
    {
        Require(Database.Length > 0, nameof(Database), Database, "a PostgreSQL connection string is needed");
        Require(TrySplitListen(Listen, out _, out _), nameof(Listen), Listen, "expected HOST:PORT, for example 127.0.0.1:7420");
        Require(CommitInterval >= TimeSpan.Zero && CommitInterval <= TimeSpan.FromSeconds(10), nameof(CommitInterval), CommitInterval, "expected 0 to 10 s");
        Require(QueuedBatches is >= 1 and <= 1_000_000, nameof(QueuedBatches), QueuedBatches, "expected 1 to 1,000,000");
        Require(Lease >= TimeSpan.FromSeconds(1) && Lease <= TimeSpan.FromMinutes(10), nameof(Lease), Lease, "expected 1 s to 10 min");
        Require(Retention >= TimeSpan.FromHours(1), nameof(Retention), Retention, "expected at least an hour");
        Require(MaxBatchRows >= 1, nameof(MaxBatchRows), MaxBatchRows, "expected at least 1");
        Require(MaxSites >= 1, nameof(MaxSites), MaxSites, "expected at least 1");
        Require(MaxTargets is >= 1 and <= short.MaxValue, nameof(MaxTargets), MaxTargets, "expected 1 to 32,767");
        Require(MaxUnreadAnswers >= 1, nameof(MaxUnreadAnswers), MaxUnreadAnswers, "expected at least 1");
        return this;
    }

    internal static bool TrySplitListen(string listen, out string host, out int port)
    {
        int colon = listen.LastIndexOf(':');
        host = colon > 0 ? listen[..colon].Trim('[', ']') : "";
        port = 0;
        return colon > 0 && int.TryParse(listen.AsSpan(colon + 1), out port) && port is >= 0 and <= 65535;
    }

    private static void Require(bool holds, string name, object value, string expected)
    {
        if (!holds)
            throw new InvalidOperationException($"Collector:{name} is \"{value}\": {expected}");
    }
}
