namespace Reheat.Store.Ingest;

/// <summary>
/// What open streams count, as small numbers: a row of a batch costs no hashing, and ten thousand streams of one build share one copy of its keys.
/// Numbers are for one table; it is given up as a whole, with the last stream that holds it. Any thread may read and add.
/// </summary>
/// <param name="budget">What its keys are taken from; whoever gives the table up gives them back.</param>
public sealed class KeyTable(KeyBudget budget)
{
    private const int ChunkBits = 12;
    private const int ChunkSize = 1 << ChunkBits;

    private struct Entry
    {
        public SiteRef Site;
        public CountKey Key;
        public bool Stored;
        public int CodeSeen;
    }

    private readonly Lock _lock = new();
    private readonly Dictionary<CountKey, int> _numbers = [];
    private volatile Entry[][] _chunks = [];

    /// <summary>Keys so far.</summary>
    public int Count { get; private set; }

    /// <summary>The number of a key; a new one is added. -1 if the budget is spent.</summary>
    public int NumberOf(in CountKey key, in SiteRef site)
    {
        lock (_lock)
        {
            if (_numbers.TryGetValue(key, out int number))
                return number;
            number = Count;
            if (!budget.TryTake())
                return -1;
            if (number >> ChunkBits == _chunks.Length)
                _chunks = [.. _chunks, new Entry[ChunkSize]];
            _chunks[number >> ChunkBits][number & (ChunkSize - 1)] = new Entry { Site = site, Key = key };
            _numbers.Add(key, number);
            Count = number + 1;
            return number;
        }
    }

    /// <summary>The key of a number.</summary>
    public CountKey Key(int number) => At(number).Key;

    /// <summary>Its site.</summary>
    public SiteRef Site(int number) => At(number).Site;

    /// <summary>True once the key is known to stand in the database.</summary>
    public bool IsStored(int number) => Volatile.Read(ref At(number).Stored);

    /// <summary>Remembers that a key stands in the database.</summary>
    public void SetStored(int number) => Volatile.Write(ref At(number).Stored, true);

    /// <summary>True if the site's instruction bytes were found known during this period.</summary>
    public bool HasCode(int number, int period) => Volatile.Read(ref At(number).CodeSeen) == period;

    /// <summary>Remembers that the site's instruction bytes are known. Periods are numbered from 1: what is known may come to be doubted.</summary>
    public void SetHasCode(int number, int period) => Volatile.Write(ref At(number).CodeSeen, period);

    private ref Entry At(int number) => ref _chunks[number >> ChunkBits][number & (ChunkSize - 1)];
}
