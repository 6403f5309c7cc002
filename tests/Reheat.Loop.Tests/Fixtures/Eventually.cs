namespace Reheat.Loop.Tests.Fixtures;

/// <summary>Waits for what becomes true in another process, where no event tells.</summary>
internal static class Eventually
{
    public static async Task HoldsAsync(Func<Task<bool>> condition, string what)
    {
        for (long start = Environment.TickCount64; Environment.TickCount64 - start < 60_000; await Task.Delay(10))
        {
            if (await condition())
                return;
        }
        throw new TimeoutException($"after a minute still not: {what}");
    }
}

/// <summary>A clock that stands where a test puts it; delays and timers run in real time.</summary>
internal sealed class SetClock(DateTimeOffset now) : TimeProvider
{
    public DateTimeOffset Now { get; set; } = now;

    public override DateTimeOffset GetUtcNow() => Now;
}

/// <summary>A clock whose monotonic time can be moved on; delays and timers run in real time.</summary>
internal sealed class MovedClock : TimeProvider
{
    private long _moved;

    public void Move(TimeSpan by) => Interlocked.Add(ref _moved, (long)(by.TotalSeconds * TimestampFrequency));

    public override long GetTimestamp() => base.GetTimestamp() + Volatile.Read(ref _moved);
}
