namespace Reheat.Agent;

/// <summary>What an agent has done so far; read by whoever shows progress, from any thread.</summary>
public sealed class AgentStatus
{
    private long _seen, _records, _acknowledged, _batches, _sites, _corrupt, _unknownOperations, _outside, _lost, _reconnects, _welcomes;
    private ulong _maxBatchRecords = 1 << 16;
    private volatile Uri? _collector;
    private volatile string _connection = "not connected yet";

    /// <summary>Records that the rings held so far, delivered or not.</summary>
    public long Seen => Volatile.Read(ref _seen);

    /// <summary>Records cut into batches (again after a reconnect).</summary>
    public long Records => Volatile.Read(ref _records);

    /// <summary>Records that the collector has committed, as far as this process heard.</summary>
    public long Acknowledged => Volatile.Read(ref _acknowledged);

    /// <summary>Batches sent.</summary>
    public long Batches => Volatile.Read(ref _batches);

    /// <summary>Distinct instructions, in the stream that had most of them.</summary>
    public long Sites => Volatile.Read(ref _sites);

    /// <summary>Records whose sequence number was wrong.</summary>
    public long Corrupt => Volatile.Read(ref _corrupt);

    /// <summary>Records with an operation or size that is not known.</summary>
    public long UnknownOperations => Volatile.Read(ref _unknownOperations);

    /// <summary>Executions outside every image that the agent found.</summary>
    public long Outside => Volatile.Read(ref _outside);

    /// <summary>Records that the collector had acknowledged before and does not know of now: its database was restored or replaced.</summary>
    public long Lost => Volatile.Read(ref _lost);

    /// <summary>How often the stream was opened anew.</summary>
    public long Reconnects => Volatile.Read(ref _reconnects);

    /// <summary>Streams that a collector took.</summary>
    internal long Welcomes => Volatile.Read(ref _welcomes);

    /// <summary>The collector that took the last stream, or null.</summary>
    public Uri? Collector
    {
        get => _collector;
        internal set
        {
            _collector = value;
            Interlocked.Increment(ref _welcomes);
        }
    }

    /// <summary>For people: "connected", or why not.</summary>
    public string Connection
    {
        get => _connection;
        internal set => _connection = value;
    }

    /// <summary>Records that the collector takes in a batch, as far as it has said: what is spooled must fit later.</summary>
    internal ulong MaxBatchRecords
    {
        get => Volatile.Read(ref _maxBatchRecords);
        set => Volatile.Write(ref _maxBatchRecords, value);
    }

    internal void SetSeen(ulong n) => Volatile.Write(ref _seen, (long)n);

    internal void AddRecords(long n) => Interlocked.Add(ref _records, n);

    internal void AddAcknowledged(long n) => Interlocked.Add(ref _acknowledged, n);

    internal void AddBatch() => Interlocked.Increment(ref _batches);

    internal void SetSites(long n) => Volatile.Write(ref _sites, Math.Max(n, Sites));

    internal void AddDrops(long corrupt, long unknownOperations, long outside)
    {
        Interlocked.Add(ref _corrupt, corrupt);
        Interlocked.Add(ref _unknownOperations, unknownOperations);
        Interlocked.Add(ref _outside, outside);
    }

    internal void SetLost(long n) => Volatile.Write(ref _lost, n);

    internal void AddReconnect() => Interlocked.Increment(ref _reconnects);
}
