using System.Diagnostics;

namespace Reheat.IngestBench;

/// <summary>What the wedges of a load count together.</summary>
internal sealed class LoadFigures
{
    // Latencies by their logarithm, 32 steps an octave: 2 % apart.
    private readonly long[] _latencies = new long[32 * 40];
    private long _records, _batches, _bytes, _refusals, _opened, _began, _ended;

    public long Records => Volatile.Read(ref _records);

    public long Batches => Volatile.Read(ref _batches);

    public long Bytes => Volatile.Read(ref _bytes);

    public long Refusals => Volatile.Read(ref _refusals);

    public long Opened => Volatile.Read(ref _opened);

    public double Elapsed => Stopwatch.GetElapsedTime(_began, _ended).TotalSeconds;

    public void Begin() => _began = Stopwatch.GetTimestamp();

    public void Open() => Interlocked.Increment(ref _opened);

    public void Refuse() => Interlocked.Increment(ref _refusals);

    public void Sent(int bytes)
    {
        Interlocked.Increment(ref _batches);
        Interlocked.Add(ref _bytes, bytes + 5); // gRPC's own five in front
    }

    public void Committed(long records, long sentAt)
    {
        long now = Stopwatch.GetTimestamp();
        Interlocked.Add(ref _records, records);
        Volatile.Write(ref _ended, now);
        double microseconds = Math.Max(1, Stopwatch.GetElapsedTime(sentAt, now).TotalMicroseconds);
        Interlocked.Increment(ref _latencies[Math.Min((int)(Math.Log2(microseconds) * 32), _latencies.Length - 1)]);
    }

    /// <summary>A quantile, in milliseconds.</summary>
    public double Latency(double quantile)
    {
        long left = (long)Math.Ceiling(_latencies.Sum() * quantile);
        for (int i = 0; i < _latencies.Length; i++)
        {
            if ((left -= _latencies[i]) <= 0)
                return Math.Round(Math.Pow(2, (i + 1) / 32.0) / 1000, 2);
        }
        return 0;
    }
}
