using Dapper;
using Npgsql;

namespace Reheat.Store.Storage;

/// <summary>What sessions and jobs leave behind: marks, drops, wedges and jobs that nobody will ask for again.</summary>
public sealed class RemainderStore(NpgsqlDataSource database)
{
    private static readonly TimeSpan KeepJobs = TimeSpan.FromDays(7);

    // A collector whose clock is behind the database's by less than this takes no epoch for new whose marks are gone.
    private static readonly TimeSpan ClocksApart = TimeSpan.FromHours(2);

    /// <summary>
    /// Deletes marks of epochs that began, and of whose rings none was heard of, before <paramref name="retention"/>: an epoch that old and without marks is refused, so nothing can be
    /// counted again. The accounts of such epochs go with them; what they counted stays.
    /// </summary>
    /// <returns>Marks, wedges and jobs that went.</returns>
    public async Task<(int Marks, int Wedges, int Jobs)> DeleteAsync(DateTimeOffset now, TimeSpan retention, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(cancel);
        var arguments = new { before = (now - retention - ClocksApart).UtcDateTime, jobsBefore = (now - KeepJobs).UtcDateTime };
        int marks = await connection.QuerySingleAsync<int>(new CommandDefinition(
            """
            WITH gone AS (
                DELETE FROM reheat_data.marks m
                USING (SELECT wedge, epoch, ring FROM reheat_data.marks o
                       WHERE epoch_began < @before AND NOT EXISTS (
                           SELECT FROM reheat_data.marks heard WHERE heard.wedge = o.wedge AND heard.epoch = o.epoch AND heard.updated_at >= @before)
                       ORDER BY wedge COLLATE "C", epoch, ring FOR UPDATE) old
                WHERE m.wedge = old.wedge AND m.epoch = old.epoch AND m.ring = old.ring
                RETURNING m.wedge, m.epoch, m.ring),
            drops AS (DELETE FROM reheat_data.drops d USING gone g WHERE d.wedge = g.wedge AND d.epoch = g.epoch AND d.ring = g.ring)
            SELECT count(*)::integer FROM gone
            """, arguments, transaction, cancellationToken: cancel));
        // In a transaction of its own: a stream that opens locks its wedge and then the marks.
        await transaction.CommitAsync(cancel);
        int wedges = await connection.ExecuteAsync(new CommandDefinition(
            """
            DELETE FROM reheat_data.wedges w
            WHERE last_seen < @before AND lease_until < @before AND NOT EXISTS (SELECT FROM reheat_data.marks m WHERE m.wedge = w.wedge)
            """, arguments, cancellationToken: cancel));
        int jobs = await connection.ExecuteAsync(new CommandDefinition(
            "DELETE FROM reheat_data.jobs WHERE state IN ('done', 'failed') AND finished_at < @jobsBefore", arguments, cancellationToken: cancel));
        await connection.ExecuteAsync(new CommandDefinition("DELETE FROM reheat_data.refusals WHERE day < @before::date", arguments, cancellationToken: cancel));
        return (marks, wedges, jobs);
    }
}
