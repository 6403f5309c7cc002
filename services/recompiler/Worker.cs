using System.Diagnostics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Reheat.Store.Lists;

namespace Reheat.Recompiler;

/// <summary>
/// Claims jobs and does them, one at a time. Wakes by NOTIFY, and looks now and then in case one was lost. A worker that dies is replaced when
/// its claim lapses; one that was only slow finds its claim lost and throws its result away.
/// </summary>
internal sealed class Worker(
    NpgsqlDataSource database, JobStore jobs, AnnotationListStore lists, VerdictStore verdicts, AnnotateJob annotate, RecompilerOptions options, TimeProvider clock, ILogger<Worker> log)
    : BackgroundService
{
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(2);

    private readonly string _name = $"{Environment.MachineName}/{Environment.ProcessId}/{Guid.NewGuid():N}"[..Math.Min(64, Environment.MachineName.Length + 34)];

    private long _lookedForQuorum;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await ServeAsync(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is NpgsqlException or IOException)
            {
                Log.DatabaseAway(log, e.Message, Retry);
            }
            await Task.Delay(Retry, clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task ServeAsync(CancellationToken cancel)
    {
        await using NpgsqlConnection listening = await database.OpenConnectionAsync(cancel);
        await using (var listen = new NpgsqlCommand($"LISTEN {JobStore.QueuedChannel}", listening))
            await listen.ExecuteNonQueryAsync(cancel);
        while (true)
        {
            while (await jobs.ClaimAsync(_name, options.Claim, cancel) is { } job)
                await DoAsync(job, cancel);
            if (await LookForQuorumAsync(cancel))
                continue;
            // Jobs may also become due by time: their delay, a retry, a lapsed claim.
            TimeSpan? due = await jobs.NextDueAsync(cancel);
            TimeSpan wait = due is { } d && d < options.LookEvery ? d : options.LookEvery;
            // A due job may be another worker's build: look again, but not without a pause.
            await listening.WaitAsync((int)Math.Max(wait.TotalMilliseconds, 200), cancel);
        }
    }

    /// <summary>Queues the builds that waited for a quorum and have it.</summary>
    /// <returns>True if there are any.</returns>
    private async Task<bool> LookForQuorumAsync(CancellationToken cancel)
    {
        if ((options.MinimumTraps <= 1 && options.MinimumWedges <= 1) || clock.GetElapsedTime(_lookedForQuorum) < options.QuorumLookEvery)
            return false;
        _lookedForQuorum = clock.GetTimestamp();
        IReadOnlyList<long> builds = await verdicts.QuorumMetAsync(options.MinimumTraps, options.MinimumWedges, cancel);
        foreach (long build in builds)
            await jobs.QueueAsync(JobKind.Annotate, build, cancel);
        return builds.Count > 0;
    }

    private async Task DoAsync(JobRow job, CancellationToken cancel)
    {
        long start = Stopwatch.GetTimestamp();
        using var working = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        Task keeping = KeepAsync(job, working.Token);
        try
        {
            ListResult result = await annotate.RunAsync(job.Build, cancel);
            if (await lists.SaveAsync(job, _name, result, cancel) is { } version)
                Log.ListMade(log, job.Build, version, result.Annotations, result.Refused, (long)Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            else
                Log.ClaimLost(log, job.Build);
        }
        catch (Exception) when (cancel.IsCancellationRequested)
        {
            await PutBackAsync(job);
            throw;
        }
        catch (Exception e)
        {
            Log.JobFailed(log, e, job.Build, job.Attempts, e.Message);
            await jobs.FailAsync(job.Job, _name, e.Message, cancel);
        }
        finally
        {
            await working.CancelAsync();
            await keeping;
        }
    }

    /// <summary>A worker that stops in order gives its job back at once, so that nobody waits for its claim to lapse.</summary>
    private async Task PutBackAsync(JobRow job)
    {
        using var limit = new CancellationTokenSource(Retry);
        try
        {
            await jobs.PutBackAsync(job.Job, _name, limit.Token);
        }
        catch (Exception e) when (e is NpgsqlException or OperationCanceledException)
        {
            Log.DatabaseAway(log, e.Message, options.Claim); // the claim lapses by itself
        }
    }

    private async Task KeepAsync(JobRow job, CancellationToken cancel)
    {
        using var timer = new PeriodicTimer(options.Claim / 3, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(cancel))
            {
                try
                {
                    await jobs.KeepAsync(job.Job, _name, options.Claim, cancel);
                }
                catch (NpgsqlException e)
                {
                    Log.DatabaseAway(log, e.Message, timer.Period);
                }
            }
        }
        catch (OperationCanceledException) when (cancel.IsCancellationRequested)
        {
        }
    }
}
