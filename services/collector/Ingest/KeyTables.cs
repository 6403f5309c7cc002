using Reheat.Store.Ingest;

namespace Reheat.Collector.Ingest;

/// <summary>The table of keys that new streams use. A full one is left to the streams that hold it, so that memory is bounded by what open streams name.</summary>
internal sealed class KeyTables(int capacity = 1_000_000)
{
    private volatile KeyTable _current = new();

    /// <summary>The table for a new stream.</summary>
    public KeyTable Current
    {
        get
        {
            KeyTable current = _current;
            if (current.Count >= capacity)
                Interlocked.CompareExchange(ref _current!, new KeyTable(), current);
            return _current;
        }
    }

    /// <summary>Forgets everything: the database is another one.</summary>
    public void Clear() => _current = new KeyTable();
}
