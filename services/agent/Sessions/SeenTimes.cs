namespace Reheat.Agent.Sessions;

/// <summary>
/// When the records of one ring were first seen, by the agent's monotonic clock: records carry no time, and while the collector is away they wait.
/// Bounded: what waits longer is remembered more coarsely. Records that were in the ring before the agent came count as seen when it came; how
/// much older they are nobody knows. Safe to use from any thread.
/// </summary>
internal sealed class SeenTimes(TimeProvider clock)
{
    private const int MaxLooks = 4096;

    // Records of one batch are counted in one minute: those first seen further apart than this go into different batches.
    private static readonly TimeSpan BatchSpan = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan FirstStep = TimeSpan.FromSeconds(1);

    // Oldest first: what stands below End, and not below the entry before, was first seen At or less than two steps later.
    private readonly List<(ulong End, long At)> _looks = [];
    private readonly Lock _lock = new();
    private TimeSpan _step = FirstStep;

    /// <summary>Records that the records below <paramref name="head"/> are there now.</summary>
    public void Look(ulong head)
    {
        lock (_lock)
        {
            long now = clock.GetTimestamp();
            if (_looks.Count == 0)
                _step = FirstStep;
            else if (head <= _looks[^1].End)
                return;
            Add(_looks, head, now);
            while (_looks.Count > MaxLooks)
                Coarsen();
        }
    }

    /// <summary>Forgets the records below a position: they are stored.</summary>
    public void Forget(ulong position)
    {
        lock (_lock)
            _looks.RemoveRange(0, CountUpTo(position));
    }

    /// <summary>How long ago the record at a position was first seen.</summary>
    public TimeSpan AgeOf(ulong position)
    {
        lock (_lock)
        {
            int look = CountUpTo(position);
            return look < _looks.Count ? clock.GetElapsedTime(_looks[look].At) : TimeSpan.Zero;
        }
    }

    /// <summary>The end of the records from <paramref name="position"/> on that were first seen about when that one was; at most <paramref name="to"/>.</summary>
    public ulong EndOfBatch(ulong position, ulong to)
    {
        lock (_lock)
        {
            int first = CountUpTo(position);
            for (int look = first; look < _looks.Count && _looks[look].End < to; look++)
            {
                if (look + 1 < _looks.Count && clock.GetElapsedTime(_looks[first].At, _looks[look + 1].At) > BatchSpan)
                    return _looks[look].End;
            }
            return to;
        }
    }

    private int CountUpTo(ulong position)
    {
        int low = 0, high = _looks.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (_looks[middle].End <= position)
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }

    private void Add(List<(ulong End, long At)> looks, ulong end, long at)
    {
        if (looks.Count > 0 && clock.GetElapsedTime(looks[^1].At, at) < _step)
            looks[^1] = (end, looks[^1].At);
        else
            looks.Add((end, at));
    }

    private void Coarsen()
    {
        _step *= 2;
        var coarse = new List<(ulong End, long At)>(MaxLooks);
        foreach ((ulong end, long at) in _looks)
            Add(coarse, end, at);
        _looks.Clear();
        _looks.AddRange(coarse);
    }
}
