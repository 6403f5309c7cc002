namespace Reheat.Core;

/// <summary>Sums of counts (none below 0) that stop at the largest number, as the database's do: what a hostile agent claims must not wrap or throw.</summary>
public static class Saturating
{
    /// <summary>Adds two counts.</summary>
    public static long Add(long a, long b)
    {
        long sum = unchecked(a + b);
        return sum < 0 ? long.MaxValue : sum;
    }

    /// <summary>Adds counts up.</summary>
    public static long Sum(IEnumerable<long> counts) => counts.Aggregate(0L, Add);

    /// <summary>Adds counts of the wire up.</summary>
    public static ulong Sum(IEnumerable<ulong> counts) => counts.Aggregate(0UL, (sum, count) => count > ulong.MaxValue - sum ? ulong.MaxValue : sum + count);
}
