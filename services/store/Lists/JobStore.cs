using Dapper;
using Npgsql;
using Reheat.Core;

namespace Reheat.Store.Lists;

/// <summary>What workers do.</summary>
public static class JobKind
{
    /// <summary>Make a build's annotation list from all that is committed.</summary>
    public const string Annotate = "annotate";
}

/// <summary>A job that a worker has claimed.</summary>
public sealed record JobRow(long Job, string Kind, long Build, int Attempts);

/// <summary>Where a job stands.</summary>
/// <param name="State"><c>queued</c>, <c>running</c>, <c>done</c> or <c>failed</c>.</param>
/// <param name="Error">Why its last attempt failed.</param>
/// <param name="SupersededBy">The job that does its work instead, if it was given up for that; 0 if none.</param>
public sealed record JobState(string State, string? Error, long SupersededBy = 0);

/// <summary>
/// Table <c>jobs</c>. Workers claim with SKIP LOCKED and wake by NOTIFY on <see cref="QueuedChannel"/>; a worker that died loses its claim when
/// <c>worker_until</c> has passed. Who waits for a job listens on <see cref="DoneChannel"/>, whose payload is the job's number.
/// </summary>
public sealed class JobStore(NpgsqlDataSource database)
{
    /// <summary>Notified when a job is queued.</summary>
    public const string QueuedChannel = "reheat_jobs";

    /// <summary>Notified when a job is done or has failed for good.</summary>
    public const string DoneChannel = "reheat_jobs_done";

    private const int MaxAttempts = 5;

    /// <summary>Queues a job unless one of its kind waits for the build already.</summary>
    /// <returns>The job that waits: everything committed before this call will be seen by it.</returns>
    public async Task<long> QueueAsync(string kind, long build, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        return await QueueAsync(connection, kind, build, TimeSpan.Zero, cancel);
    }

    internal static Task<long> QueueAsync(NpgsqlConnection connection, string kind, long build, TimeSpan delay, CancellationToken cancel) =>
        connection.QuerySingleAsync<long>(new CommandDefinition(
            """
            WITH queued AS (
                INSERT INTO reheat_data.jobs (kind, build, run_after) VALUES (@kind, @build, now() + @delay)
                ON CONFLICT (kind, build) WHERE state = 'queued'
                DO UPDATE SET run_after = least(jobs.run_after, excluded.run_after)
                RETURNING job)
            SELECT job FROM queued, pg_notify(@QueuedChannel, '')
            """, new { kind, build, delay, QueuedChannel }, cancellationToken: cancel));

    internal static async Task QueueForImagesAsync(NpgsqlConnection connection, IReadOnlyCollection<BuildId> images, CancellationToken cancel)
    {
        if (images.Count == 0)
            return;
        // A second's delay lets the commits of a boot that just began share one job.
        IEnumerable<long> builds = await connection.QueryAsync<long>(new CommandDefinition(
            "SELECT DISTINCT build FROM reheat_data.build_images WHERE build_id = ANY(@ids) ORDER BY build",
            new { ids = images.Select(i => i.ToBytes()).ToArray() }, cancellationToken: cancel));
        foreach (long build in builds)
            await QueueAsync(connection, JobKind.Annotate, build, TimeSpan.FromSeconds(1), cancel);
    }

    /// <summary>
    /// Claims the job that has waited longest; also one whose worker has not been heard of. Null if there is none. A job that takes its
    /// worker with it (out of memory, say) has attempts like any other and must not kill workers for ever.
    /// </summary>
    public async Task<JobRow?> ClaimAsync(string worker, TimeSpan claim, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        await connection.ExecuteAsync(new CommandDefinition(
            """
            WITH dead AS (
                UPDATE reheat_data.jobs SET state = 'failed', finished_at = now(), worker_until = NULL,
                    error = format('worker %s died, at attempt %s of %s', worker, attempts, @MaxAttempts)
                WHERE state = 'running' AND worker_until < now() AND attempts >= @MaxAttempts RETURNING job)
            SELECT pg_notify(@DoneChannel, job::text) FROM dead
            """, new { MaxAttempts, DoneChannel }, cancellationToken: cancel));
        return await connection.QuerySingleOrDefaultAsync<JobRow>(new CommandDefinition(
            """
            UPDATE reheat_data.jobs SET state = 'running', worker = @worker, worker_until = now() + @claim, attempts = attempts + 1
            WHERE job = (
                SELECT job FROM reheat_data.jobs j
                WHERE (state = 'queued' AND run_after <= now() OR state = 'running' AND worker_until < now())
                  -- One worker a build at a time, so that versions come in order; a claim that lapsed is taken up before what waits behind it.
                  AND NOT EXISTS (SELECT FROM reheat_data.jobs r
                                  WHERE r.build = j.build AND r.kind = j.kind AND r.job <> j.job AND r.state = 'running')
                ORDER BY run_after, job LIMIT 1 FOR UPDATE SKIP LOCKED)
            RETURNING job, kind, build, attempts
            """, new { worker, claim }, cancellationToken: cancel));
    }

    /// <summary>How long until the next job is due, by time alone; null if none waits.</summary>
    public async Task<TimeSpan?> NextDueAsync(CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        return await connection.QuerySingleAsync<TimeSpan?>(new CommandDefinition(
            "SELECT greatest(min(run_after) - now(), interval '0') FROM reheat_data.jobs WHERE state = 'queued'", cancellationToken: cancel));
    }

    /// <summary>Lengthens a claim. False if it was lost.</summary>
    public async Task<bool> KeepAsync(long job, string worker, TimeSpan claim, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        return await connection.ExecuteAsync(new CommandDefinition(
            "UPDATE reheat_data.jobs SET worker_until = now() + @claim WHERE job = @job AND worker = @worker AND state = 'running'",
            new { job, worker, claim }, cancellationToken: cancel)) == 1;
    }

    /// <summary>Marks a claimed job as done. Inside the transaction that stores its result; false if the claim was lost: roll back.</summary>
    internal static async Task<bool> FinishAsync(NpgsqlConnection connection, long job, string worker, CancellationToken cancel)
    {
        int finished = await connection.ExecuteAsync(new CommandDefinition(
            """
            UPDATE reheat_data.jobs SET state = 'done', finished_at = now(), worker_until = NULL, error = NULL
            WHERE job = @job AND worker = @worker AND state = 'running'
            """, new { job, worker }, cancellationToken: cancel));
        await connection.ExecuteAsync(new CommandDefinition(
            "SELECT pg_notify(@DoneChannel, @job::text)", new { DoneChannel, job }, cancellationToken: cancel));
        return finished == 1;
    }

    /// <summary>Puts a claimed job back, later at each attempt, or marks it failed after the last; also if another one waits, which then does its work.</summary>
    public async Task FailAsync(long job, string worker, string error, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        await connection.ExecuteAsync(new CommandDefinition(
            """
            WITH put AS (
                UPDATE reheat_data.jobs j SET
                    state = CASE WHEN attempts >= @MaxAttempts OR n.next IS NOT NULL THEN 'failed' ELSE 'queued' END,
                    superseded_by = n.next,
                    run_after = now() + interval '1 second' * power(2, attempts), error = @error, finished_at = now()
                FROM (SELECT @job AS job, (SELECT q.job FROM reheat_data.jobs q JOIN reheat_data.jobs me USING (kind, build)
                                           WHERE me.job = @job AND q.state = 'queued') AS next) n
                WHERE j.job = n.job AND worker = @worker AND state = 'running' RETURNING j.job, state)
            SELECT pg_notify(CASE state WHEN 'failed' THEN @DoneChannel ELSE @QueuedChannel END, job::text) FROM put
            """, new { job, worker, error, MaxAttempts, DoneChannel, QueuedChannel }, cancellationToken: cancel));
    }

    /// <summary>Puts back a job that its worker cannot finish now, as if it had not been claimed.</summary>
    public async Task PutBackAsync(long job, string worker, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        await connection.ExecuteAsync(new CommandDefinition(
            """
            WITH put AS (
                UPDATE reheat_data.jobs j SET
                    state = CASE WHEN n.next IS NULL THEN 'queued' ELSE 'failed' END,
                    superseded_by = n.next, attempts = attempts - 1, run_after = now(), worker = NULL, worker_until = NULL
                FROM (SELECT @job AS job, (SELECT q.job FROM reheat_data.jobs q JOIN reheat_data.jobs me USING (kind, build)
                                           WHERE me.job = @job AND q.state = 'queued') AS next) n
                WHERE j.job = n.job AND worker = @worker AND state = 'running' RETURNING j.job, state)
            SELECT pg_notify(CASE state WHEN 'failed' THEN @DoneChannel ELSE @QueuedChannel END, job::text) FROM put
            """, new { job, worker, DoneChannel, QueuedChannel }, cancellationToken: cancel));
    }

    /// <summary>Open jobs of earlier builds of the same series, in order of build: their lists go into this build's.</summary>
    public async Task<IReadOnlyList<long>> OpenBeforeAsync(string kind, long build, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        return [.. await connection.QueryAsync<long>(new CommandDefinition(
            """
            SELECT j.job FROM reheat_data.jobs j JOIN reheat_data.builds e USING (build) JOIN reheat_data.builds b USING (series)
            WHERE b.build = @build AND e.build < @build AND j.kind = @kind AND j.state IN ('queued', 'running')
            ORDER BY e.build, j.job
            """, new { kind, build }, cancellationToken: cancel))];
    }

    /// <summary>Where a job stands; null if there is no such job.</summary>
    public async Task<JobState?> StateAsync(long job, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        return await connection.QuerySingleOrDefaultAsync<JobState>(new CommandDefinition(
            "SELECT state, error, coalesce(superseded_by, 0) AS supersededby FROM reheat_data.jobs WHERE job = @job", new { job }, cancellationToken: cancel));
    }
}
