using Reheat.Store.Ingest;

namespace Reheat.Collector.Ingest;

/// <summary>
/// The table of keys that new streams use. One that is well filled is left to the streams that hold it and goes with the last of them. All that live share one
/// budget; where it is spent, the streams of the oldest table that is left are ended, to come back into the newest. (What a stream keeps of its own, five bytes an entry, is
/// bounded by MaxSites alone.)
/// </summary>
internal sealed class KeyTables(KeyBudget budget)
{
    private const int MostWellFilled = 1_000_000;

    private readonly Lock _lock = new();
    private readonly int _wellFilled = Math.Clamp(budget.Most / 4, 1, MostWellFilled);
    private readonly List<Use> _left = []; // oldest first
    private Use _current = new(budget);
    private int _generation;

    /// <summary>Changes when the database is another one.</summary>
    public int Generation => Volatile.Read(ref _generation);

    /// <summary>Takes the table for a new stream.</summary>
    /// <param name="end">Ends the stream. From any thread, also before this has returned.</param>
    /// <returns>To be disposed of with the stream.</returns>
    public Held Enter(Action end)
    {
        lock (_lock)
        {
            if (_current.Table.Count >= _wellFilled)
                Replace();
            Use use = _current;
            var held = new Held(this, use, end);
            use.Streams.Add(held);
            return held;
        }
    }

    private void MakeRoom()
    {
        Held[] ending;
        lock (_lock)
        {
            if (_left.Find(u => !u.IsEnding) is not { } oldest)
                return;
            oldest.IsEnding = true;
            ending = [.. oldest.Streams];
        }
        foreach (Held held in ending)
            held.End();
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

    private void Leave(Held held, Use use)
    {
        lock (_lock)
        {
            if (!use.Streams.Remove(held) || use.Streams.Count > 0)
                return;
            if (_left.Remove(use))
                budget.Return(use.Table.Count);
            else if (use.Table.Count >= _wellFilled)
                Replace();
        }
    }

    private void Replace()
    {
        if (_current.Streams.Count == 0)
            budget.Return(_current.Table.Count);
        else
            _left.Add(_current);
        _current = new Use(budget);
    }

    internal sealed class Use(KeyBudget budget)
    {
        public KeyTable Table { get; } = new(budget);

        public HashSet<Held> Streams { get; } = [];

        /// <summary>Its streams were told to end.</summary>
        public bool IsEnding { get; set; }
    }

    /// <summary>One stream's hold of a table.</summary>
    internal sealed class Held : IDisposable
    {
        private readonly KeyTables _tables;
        private readonly Use _use;
        private readonly Action _end;

        internal Held(KeyTables tables, Use use, Action end) => (_tables, _use, _end) = (tables, use, end);

        public KeyTable Table => _use.Table;

        /// <summary>Whether the stream was told to end, or would have been if it had been there.</summary>
        public bool IsEnding
        {
            get
            {
                lock (_tables._lock)
                    return _use.IsEnding;
            }
        }

        /// <summary>The budget is spent: ends the streams of the oldest table that new streams do not get any more, if there is one.</summary>
        public void MakeRoom() => _tables.MakeRoom();

        internal void End() => _end();

        /// <inheritdoc/>
        public void Dispose() => _tables.Leave(this, _use);
    }
}
