using Reheat.Store.Ingest;

namespace Reheat.Collector.Ingest;

/// <summary>
/// The table of keys that new streams use. One that is well filled is left to the streams that hold it and goes with the last of them. All that live share one
/// budget, so that memory has a bound whatever streams name.
/// </summary>
/// <param name="budget">Keys of all tables that live.</param>
internal sealed class KeyTables(KeyBudget budget)
{
    private const int WellFilled = 1_000_000;

    private volatile KeyTable _current = new(budget);
    private int _generation;

    /// <summary>Changes when the database is another one: what stands in tables of before is worth nothing.</summary>
    public int Generation => Volatile.Read(ref _generation);

    /// <summary>The table for a new stream.</summary>
    public KeyTable Current
    {
        get
        {
            KeyTable current = _current;
            if (current.Count >= WellFilled)
                Interlocked.CompareExchange(ref _current!, new KeyTable(budget), current);
            return _current;
        }
    }

    /// <summary>Forgets everything: the database is another one.</summary>
    public void Clear()
    {
        Interlocked.Increment(ref _generation);
        _current = new KeyTable(budget);
    }
}
