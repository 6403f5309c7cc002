using Npgsql;
using Reheat.Store.Lists;

namespace Reheat.Collector.Annotations;

/// <summary>Waits for jobs: one LISTEN connection for all waiters, and a look every few seconds in case a notification was lost with it.</summary>
internal sealed class JobWatch(NpgsqlDataSource database, JobStore jobs, TimeProvider clock, ILogger<JobWatch> log) : BackgroundService
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan ReconnectAfter = TimeSpan.FromSeconds(2);

    private TaskCompletionSource _something = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Returns the state of a job once it is done or has failed; of the job that does its work, if it was given up for another one.</summary>
    public async Task<JobState> WaitAsync(long job, CancellationToken cancel)
    {
        while (true)
        {
            // Taken before the look, so that a notification between look and wait is not missed.
            Task something = Volatile.Read(ref _something).Task;
            JobState state = await jobs.StateAsync(job, cancel) ?? throw new InvalidOperationException($"job {job} is gone");
            if (state.SupersededBy != 0)
            {
                job = state.SupersededBy;
                continue;
            }
            if (state.State is "done" or "failed")
                return state;
            await Task.WhenAny(something, Task.Delay(LookEvery, clock, cancel));
            cancel.ThrowIfCancellationRequested();
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await using NpgsqlConnection connection = await database.OpenConnectionAsync(stoppingToken);
                connection.Notification += (_, _) =>
                    Interlocked.Exchange(ref _something, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
                await using (var listen = new NpgsqlCommand($"LISTEN {JobStore.DoneChannel}", connection))
                    await listen.ExecuteNonQueryAsync(stoppingToken);
                while (true)
                    await connection.WaitAsync(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is NpgsqlException or IOException)
            {
                Log.DatabaseAway(log, e.Message, ReconnectAfter);
            }
            await Task.Delay(ReconnectAfter, clock, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
