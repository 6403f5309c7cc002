namespace Reheat.IngestBench;

/// <summary>Which site comes next: the k-th most frequent one is 1/k as frequent as the first, as it is with real traces.</summary>
internal sealed class Zipf
{
    private readonly double[] _sums;
    private readonly Random _random;

    public Zipf(int sites, int seed)
    {
        _random = new Random(seed);
        _sums = new double[sites];
        double sum = 0;
        for (int i = 0; i < sites; i++)
            _sums[i] = sum += 1.0 / (i + 1);
    }

    public int Next()
    {
        int found = Array.BinarySearch(_sums, _random.NextDouble() * _sums[^1]);
        return Math.Min(found < 0 ? ~found : found, _sums.Length - 1);
    }
}
