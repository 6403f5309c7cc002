using System.Collections.Concurrent;
using Reheat.Core;
using Reheat.Store.Ingest;

namespace Reheat.Collector.Ingest;

/// <summary>
/// Keys and sites that this process has seen committed. A miss costs one look into the database, never correctness, so the memory is bounded by
/// forgetting everything when it is full.
/// </summary>
internal sealed class KnownKeys(int capacity = 2_000_000)
{
    private readonly ConcurrentDictionary<CountKey, byte> _keys = new();
    private readonly ConcurrentDictionary<SiteId, byte> _sites = new();

    public bool Contains(CountKey key) => _keys.ContainsKey(key);

    public bool Contains(SiteId site) => _sites.ContainsKey(site);

    /// <summary>Forgets everything: the database is another one.</summary>
    public void Clear()
    {
        _keys.Clear();
        _sites.Clear();
    }

    public void Add(CountKey key)
    {
        if (_keys.Count >= capacity)
            _keys.Clear();
        _keys.TryAdd(key, 0);
    }

    public void Add(SiteId site)
    {
        if (_sites.Count >= capacity)
            _sites.Clear();
        _sites.TryAdd(site, 0);
    }
}
