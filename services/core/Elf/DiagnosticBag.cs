namespace Reheat.Core.Elf;

/// <summary>
/// Collects what is wrong with one file. Bounded, because a hostile file can be wrong in more ways than it has bytes; safe for lazy
/// parsing from several threads.
/// </summary>
internal sealed class DiagnosticBag(string file)
{
    private const int Most = 200;

    private readonly Lock _lock = new();
    private readonly List<Diagnostic> _items = [];
    private long _leftOut;

    /// <summary>Name of the file, for places.</summary>
    public string File => file;

    /// <summary>Adds one, at <paramref name="place"/> of the file (empty: the file as a whole).</summary>
    public void Add(DiagnosticId id, string place, string message)
    {
        lock (_lock)
        {
            if (_items.Count < Most)
                _items.Add(new Diagnostic(id, place.Length == 0 ? file : $"{file} {place}", message));
            else
                _leftOut++;
        }
    }

    /// <summary>All so far; the last one says how many were left out.</summary>
    public IReadOnlyList<Diagnostic> Snapshot()
    {
        lock (_lock)
        {
            return _leftOut == 0
                ? [.. _items]
                : [.. _items, new Diagnostic(_items[^1].Id, file, $"{_leftOut} more diagnostics left out")];
        }
    }
}
