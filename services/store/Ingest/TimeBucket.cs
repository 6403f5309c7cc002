namespace Reheat.Store.Ingest;

/// <summary>How wide a time bucket is, which is also where it is kept.</summary>
public enum BucketWidth : short
{
    /// <summary>A minute: table <c>counts</c>.</summary>
    Minute,

    /// <summary>An hour: table <c>counts_hour</c>.</summary>
    Hour,
}

/// <summary>The time that a batch is counted at.</summary>
/// <param name="Start">Its first moment, UTC.</param>
/// <param name="Width">Its width.</param>
public readonly record struct TimeBucket(DateTime Start, BucketWidth Width);

/// <summary>
/// Which bucket a batch belongs to: receive time − its age. What is so old that its minutes are rolled up already is counted in its hour, and what is older
/// than all that is kept in the oldest hour.
/// </summary>
/// <param name="KeepMinutes">How long minutes are kept.</param>
/// <param name="Retention">How long hours are kept.</param>
public readonly record struct BucketRule(TimeSpan KeepMinutes, TimeSpan Retention)
{
    /// <summary>The bucket, and whether the age was beyond retention.</summary>
    public (TimeBucket Bucket, bool Clamped) Of(DateTimeOffset now, ulong ageNs)
    {
        bool clamped = ageNs / 100 > (ulong)Retention.Ticks;
        DateTime at = (now - (clamped ? Retention : TimeSpan.FromTicks((long)(ageNs / 100)))).UtcDateTime;
        return now.UtcDateTime - at <= KeepMinutes
            ? (new TimeBucket(Floor(at, TimeSpan.TicksPerMinute), BucketWidth.Minute), clamped)
            : (new TimeBucket(Floor(at, TimeSpan.TicksPerHour), BucketWidth.Hour), clamped);
    }

    private static DateTime Floor(DateTime at, long width) => new(at.Ticks - (at.Ticks % width), DateTimeKind.Utc);
}
