using System.Runtime.CompilerServices;
using System.Threading.Channels;
using ServingStatus = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace Reheat.Collector.Health;

/// <summary>
/// The health that probes and load balancers see: one status per full service name, and one for the server as a whole under the empty
/// name. Safe to use from any thread.
/// </summary>
public sealed class ServiceHealth
{
    /// <summary>The name of the server as a whole.</summary>
    public const string WholeServer = "";

    private readonly Lock _lock = new();
    private readonly Dictionary<string, ServingStatus> _statuses = new(StringComparer.Ordinal)
    {
        [WholeServer] = ServingStatus.Serving,
    };

    private readonly Dictionary<string, HashSet<Channel<ServingStatus>>> _watches = new(StringComparer.Ordinal);
    private bool _closed;

    /// <summary>Open watches of all services.</summary>
    public int Watches
    {
        get
        {
            lock (_lock)
                return _watches.Values.Sum(w => w.Count);
        }
    }

    /// <summary>Makes a service known or changes its status, and tells those who watch it. Ignored after <see cref="Close"/>.</summary>
    public void Set(string service, bool serving)
    {
        ArgumentNullException.ThrowIfNull(service);
        lock (_lock)
        {
            if (!_closed)
                Store(service, serving ? ServingStatus.Serving : ServingStatus.NotServing);
        }
    }

    /// <summary>True, with its status, for a service that was set.</summary>
    public bool TryGet(string service, out ServingStatus status)
    {
        lock (_lock)
            return _statuses.TryGetValue(service, out status);
    }

    /// <summary>Tells every watch that nothing serves any more and ends it: the server is shutting down.</summary>
    public void Close()
    {
        lock (_lock)
        {
            _closed = true;
            foreach (string service in _statuses.Keys.ToArray())
                Store(service, ServingStatus.NotServing);
            foreach (var watch in _watches.Values.SelectMany(w => w))
                watch.Writer.TryComplete();
        }
    }

    /// <summary>The status now and after each change, until cancelled or closed. Of changes in quick succession only the last is seen.</summary>
    internal async IAsyncEnumerable<ServingStatus> Watch(
        string service, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // One place: a watcher is owed the newest status, not the history, so a slow one costs no memory.
        var watch = Channel.CreateBounded<ServingStatus>(
            new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest, SingleReader = true });
        Open(service, watch);
        try
        {
            ServingStatus? last = null;
            await foreach (var status in watch.Reader.ReadAllAsync(cancellationToken))
            {
                if (status == last)
                    continue;
                last = status;
                yield return status;
            }
        }
        finally
        {
            Forget(service, watch);
        }
    }

    private void Open(string service, Channel<ServingStatus> watch)
    {
        lock (_lock)
        {
            if (!_watches.TryGetValue(service, out var watches))
                _watches.Add(service, watches = []);
            watches.Add(watch);
            watch.Writer.TryWrite(_statuses.GetValueOrDefault(service, ServingStatus.ServiceUnknown));
            if (_closed)
                watch.Writer.TryComplete();
        }
    }

    private void Forget(string service, Channel<ServingStatus> watch)
    {
        lock (_lock)
        {
            if (_watches.TryGetValue(service, out var watches) && watches.Remove(watch) && watches.Count == 0)
                _watches.Remove(service);
        }
    }

    private void Store(string service, ServingStatus status)
    {
        _statuses[service] = status;
        if (!_watches.TryGetValue(service, out var watches))
            return;
        foreach (var watch in watches)
            watch.Writer.TryWrite(status);
    }
}
