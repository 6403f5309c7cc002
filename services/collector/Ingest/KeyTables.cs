using Reheat.Store.Ingest;

namespace Reheat.Collector.Ingest;

/// <summary>
/// The table of keys that new streams use. One that is well filled is left to the streams that hold it and goes with the last of them. All that live share one
/// budget, so that memory has a bound whatever streams name.
/// </summary>
internal sealed class KeyTables(KeyBudget budget)
{
    private const int MostWellFilled = 1_000_000;

    private readonly Lock _lock = new();
    private readonly int _wellFilled = Math.Clamp(budget.Most / 4, 1, MostWellFilled);
    private Use _current = new(budget);
    private int _generation;

    /// <summary>Changes when the database is another one.</summary>
    public int Generation => Volatile.Read(ref _generation);

    /// <summary>Takes the table for a new stream.</summary>
    /// <returns>To be disposed of with the stream.</returns>
    public Held Enter()
    {
        lock (_lock)
        {
            if (_current.Table.Count >= _wellFilled)
                Replace();
            Use use = _current;
            use.Streams++;
            return new Held(use.Table, () => Leave(use));
        }
    }

    /// <summary>Forgets everything: the database is another one, and what stands in tables of before is worth nothing.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            Replace();
            _generation++; // last: whoever reads the new one gets the new table
        }
    }

    private void Leave(Use use)
    {
        lock (_lock)
        {
            if (--use.Streams > 0)
                return;
            if (use != _current)
                budget.Return(use.Table.Count);
            else if (use.Table.Count >= _wellFilled)
                Replace();
        }
    }

    private void Replace()
    {
        if (_current.Streams == 0)
            budget.Return(_current.Table.Count);
        _current = new Use(budget);
    }

    private sealed class Use(KeyBudget budget)
    {
        public KeyTable Table { get; } = new(budget);

        public int Streams { get; set; }
    }

    /// <summary>One stream's hold of a table.</summary>
    /// <param name="table">The table.</param>
    /// <param name="leave">Called once.</param>
    internal sealed class Held(KeyTable table, Action leave) : IDisposable
    {
        private Action? _leave = leave;

        public KeyTable Table => table;

        /// <inheritdoc/>
        public void Dispose() => Interlocked.Exchange(ref _leave, null)?.Invoke();
    }
}
