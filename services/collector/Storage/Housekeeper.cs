using Npgsql;
using Reheat.Store.Storage;

namespace Reheat.Collector.Storage;

/// <summary>Keeps the database small, in the background: partitions made ahead, rolled up and dropped, and what sessions left behind deleted.</summary>
internal sealed class Housekeeper(PartitionStore partitions, RemainderStore remainders, CollectorOptions options, TimeProvider clock, ILogger<Housekeeper> log)
    : BackgroundService
{
    // What is deleted by a clock that is wrong does not come back.
    private static readonly TimeSpan ClocksAgree = TimeSpan.FromHours(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.HousekeepingInterval == TimeSpan.Zero)
            return;
        using var timer = new PeriodicTimer(options.HousekeepingInterval, clock);
        try
        {
            do
            {
                try
                {
                    await KeepAsync(stoppingToken);
                }
                catch (NpgsqlException e)
                {
                    Log.HousekeepingFailed(log, e.Message);
                }
            }
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    private async Task KeepAsync(CancellationToken cancel)
    {
        DateTimeOffset now = await partitions.NowAsync(cancel);
        TimeSpan apart = (now - clock.GetUtcNow()).Duration();
        if (apart > ClocksAgree)
        {
            Log.ClocksDiffer(log, now, clock.GetUtcNow());
            return;
        }
        if (await partitions.KeepAsync(now, options.KeepMinutes, options.Retention, options.KeepDays, cancel) is not { } done)
            return;
        foreach ((string partition, long rows) in done.RolledUp)
            Log.RolledUp(log, partition, rows);
        foreach (string partition in done.Dropped)
            Log.Dropped(log, partition);
        (int marks, int wedges, int jobs) = await remainders.DeleteAsync(now, options.Retention, cancel);
        if (marks + wedges + jobs > 0)
            Log.Deleted(log, marks, wedges, jobs);
    }
}
