namespace Reheat.Collector.Limits;

/// <summary>Records a second: who takes more waits. A second's worth may come at once. Any thread.</summary>
/// <param name="perSecond">The rate; 0: no limit.</param>
/// <param name="clock">The clock.</param>
internal sealed class RateLimit(long perSecond, TimeProvider clock)
{
    private const double MostSeconds = 60;

    private readonly Lock _lock = new();
    private readonly long _start = clock.GetTimestamp();
    private double _takenUntil; // in seconds since the start: up to here the rate is spent

    /// <summary>The rate.</summary>
    public long PerSecond => perSecond;

    /// <summary>Takes so many records.</summary>
    /// <returns>How long to wait before taking more.</returns>
    public TimeSpan Take(long records)
    {
        if (perSecond == 0)
            return TimeSpan.Zero;
        lock (_lock)
        {
            double now = clock.GetElapsedTime(_start).TotalSeconds;
            _takenUntil = Math.Max(_takenUntil, now - 1) + ((double)records / perSecond);
            // What a batch stands for may be any number; nobody waits for another's longer than this.
            _takenUntil = Math.Min(_takenUntil, now + MostSeconds);
            return _takenUntil > now ? TimeSpan.FromSeconds(_takenUntil - now) : TimeSpan.Zero;
        }
    }
}
