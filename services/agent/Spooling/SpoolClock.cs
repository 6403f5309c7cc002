using Reheat.V1;

namespace Reheat.Agent.Spooling;

/// <summary>When spooled records were seen: by the monotonic clock, which no jump of the time of day moves, as long as the machine was not started anew.</summary>
internal sealed class SpoolClock(TimeProvider clock)
{
    private const string BootIdFile = "/proc/sys/kernel/random/boot_id";

    private readonly string _bootId = File.Exists(BootIdFile) ? File.ReadAllText(BootIdFile).Trim() : "";

    /// <summary>A batch whose oldest record was seen so long ago.</summary>
    public SpooledBatch Stamp(Batch batch, TimeSpan age) => new()
    {
        Batch = batch,
        BootId = _bootId,
        SeenMonotonicNs = Monotonic - (long)age.TotalNanoseconds,
        SeenUnixNs = Wall - (long)age.TotalNanoseconds,
    };

    /// <summary>How long ago a batch's oldest record was seen; never less than nothing.</summary>
    public TimeSpan AgeOf(SpooledBatch batch)
    {
        long age = batch.BootId.Length > 0 && batch.BootId == _bootId ? Monotonic - batch.SeenMonotonicNs : Wall - batch.SeenUnixNs;
        return TimeSpan.FromTicks(Math.Max(age, 0) / 100);
    }

    // Since the machine was started, in every process.
    private long Monotonic => (long)(clock.GetTimestamp() * (1e9 / clock.TimestampFrequency));

    private long Wall => (clock.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks * 100;
}
