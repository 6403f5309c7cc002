namespace Reheat.Store.Ingest;

/// <summary>How many keys all tables of a process may hold.</summary>
/// <param name="most">Keys.</param>
public sealed class KeyBudget(int most)
{
    private long _held;

    /// <summary>Keys at most.</summary>
    public int Most => most;

    /// <summary>Keys of the tables that live.</summary>
    public long Held => Volatile.Read(ref _held);

    /// <summary>Takes one; false if there is none left.</summary>
    public bool TryTake()
    {
        if (Interlocked.Increment(ref _held) <= most)
            return true;
        Interlocked.Decrement(ref _held);
        return false;
    }

    /// <summary>Gives some back.</summary>
    public void Return(long keys) => Interlocked.Add(ref _held, -keys);
}
