namespace Reheat.Core.Elf;

/// <summary>An interval of addresses with what it stands for (an index into the caller's table).</summary>
internal readonly record struct Interval(ulong Start, ulong End, int Value) : IComparable<Interval>
{
    /// <summary>By start; of one start the longest first, so that the innermost comes last.</summary>
    public int CompareTo(Interval other)
    {
        int order = Start.CompareTo(other.Start);
        if (order == 0)
            order = other.End.CompareTo(End);
        return order != 0 ? order : other.Value.CompareTo(Value);
    }
}

/// <summary>
/// Intervals flattened into disjoint pieces, so that a lookup is one binary search and allocates nothing, whatever overlaps the
/// file has. Where intervals overlap, the one that starts last wins (the innermost, if they nest); of equal ones the lowest value.
/// </summary>
internal sealed class IntervalMap
{
    /// <summary>Nothing there.</summary>
    public const int None = -1;

    private readonly ulong[] _starts;
    private readonly int[] _values;

    private IntervalMap(ulong[] starts, int[] values)
    {
        _starts = starts;
        _values = values;
    }

    /// <summary>Sorts <paramref name="intervals"/> in place and flattens them in O(n log n).</summary>
    public static IntervalMap Build(List<Interval> intervals)
    {
        intervals.Sort();
        var starts = new List<ulong>(intervals.Count + 1);
        var values = new List<int>(intervals.Count + 1);
        var open = new Stack<Interval>();
        foreach (Interval interval in intervals)
        {
            if (interval.End <= interval.Start)
                continue;
            CloseUpTo(interval.Start);
            Emit(interval.Start, interval.Value);
            open.Push(interval);
        }
        CloseUpTo(ulong.MaxValue);
        return new IntervalMap([.. starts], [.. values]);

        void CloseUpTo(ulong position)
        {
            while (open.TryPeek(out Interval top) && top.End <= position)
            {
                open.Pop();
                while (open.TryPeek(out Interval outer) && outer.End <= top.End)
                    open.Pop();
                Emit(top.End, open.TryPeek(out Interval resumed) ? resumed.Value : None);
            }
        }

        void Emit(ulong start, int value)
        {
            if (starts.Count > 0 && starts[^1] == start)
                values[^1] = value;
            else if (starts.Count == 0 || values[^1] != value)
            {
                starts.Add(start);
                values.Add(value);
            }
        }
    }

    /// <summary>The value of the innermost interval at <paramref name="address"/>, or <see cref="None"/>.</summary>
    public int Find(ulong address)
    {
        int piece = Piece(address);
        return piece < 0 ? None : _values[piece];
    }

    /// <summary>The start of the first piece with a value at or after <paramref name="address"/>, or 2^64 − 1.</summary>
    public ulong NextStart(ulong address)
    {
        for (int piece = Piece(address) + 1; piece < _starts.Length; piece++)
        {
            if (_values[piece] != None)
                return _starts[piece];
        }
        return ulong.MaxValue;
    }

    private int Piece(ulong address)
    {
        int found = Array.BinarySearch(_starts, address);
        return found >= 0 ? found : ~found - 1;
    }
}
