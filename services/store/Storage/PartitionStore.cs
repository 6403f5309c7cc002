using System.Globalization;
using Dapper;
using Npgsql;

namespace Reheat.Store.Storage;

/// <summary>What housekeeping did.</summary>
/// <param name="RolledUp">Partitions whose counts went into the next wider table, with the rows that they had.</param>
/// <param name="Dropped">Partitions whose time was over.</param>
public sealed record HousekeepingResult(IReadOnlyList<(string Partition, long Rows)> RolledUp, IReadOnlyList<string> Dropped);

/// <summary>
/// Partitions of the tables of counts: made ahead, rolled up (minutes to hours, hours to days) and dropped. A roll-up moves a partition's counts and drops it in
/// one transaction, so that whatever is killed, each count stands in one place.
/// </summary>
public sealed class PartitionStore(NpgsqlDataSource database)
{
    private const string Minutes = "counts", Hours = "counts_hour", Days = "counts_day";

    private const string Rolling = "_rolling";

    // One housekeeper in the whole fleet of collectors; others pass.
    private const string LockName = "reheat housekeeping";

    // A lock on a parent waits behind long readers, and all ingest behind it: rather tried again next time.
    private const string LockTimeout = "SET LOCAL lock_timeout = '2s'";

    /// <summary>The database's clock, which housekeeping goes by: a collector's may be wrong.</summary>
    public async Task<DateTimeOffset> NowAsync(CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        return new DateTimeOffset(await connection.QuerySingleAsync<DateTime>(new CommandDefinition("SELECT now()", cancellationToken: cancel)), TimeSpan.Zero);
    }

    /// <summary>Makes the partitions of today and the next days, rolls up and drops what is older than is kept.</summary>
    /// <param name="now">The time.</param>
    /// <param name="keepMinutes">Minutes older than this become hours, a day at a time, once the whole day is older.</param>
    /// <param name="keepHours">Hours older than this become days.</param>
    /// <param name="keepDays">Days older than this go, a month at a time.</param>
    /// <param name="cancel">Cancels between partitions.</param>
    /// <returns>What was done, or null if another collector is at it.</returns>
    public async Task<HousekeepingResult?> KeepAsync(DateTimeOffset now, TimeSpan keepMinutes, TimeSpan keepHours, TimeSpan keepDays, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        if (!await connection.QuerySingleAsync<bool>(new CommandDefinition("SELECT pg_try_advisory_lock(hashtext(@LockName))", new { LockName }, cancellationToken: cancel)))
            return null;
        try
        {
            await MakeAheadAsync(connection, now, cancel);
            List<(string, long)> rolled = [];
            List<string> dropped = [];
            await RollUpAsync(connection, Minutes, Hours, "hour", now - keepMinutes, rolled, cancel);
            await RollUpAsync(connection, Hours, Days, "day", now - keepHours, rolled, cancel);
            foreach ((string name, DateOnly first) in await PartitionsAsync(connection, Days, cancel))
            {
                if (Begin(first.AddMonths(1)) > now - keepDays)
                    continue;
                await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(cancel);
                await connection.ExecuteAsync(new CommandDefinition($"{LockTimeout}; DROP TABLE reheat_data.{name}", transaction: transaction, cancellationToken: cancel));
                await transaction.CommitAsync(cancel);
                dropped.Add(name);
            }
            return new HousekeepingResult(rolled, dropped);
        }
        finally
        {
            await connection.ExecuteAsync("SELECT pg_advisory_unlock(hashtext(@LockName))", new { LockName });
        }
    }

    private static async Task MakeAheadAsync(NpgsqlConnection connection, DateTimeOffset now, CancellationToken cancel)
    {
        var today = DateOnly.FromDateTime(now.UtcDateTime);
        foreach (string parent in (string[])[Minutes, Hours, Days])
        {
            for (int ahead = 0; ahead <= 2; ahead++)
            {
                await connection.ExecuteAsync(new CommandDefinition(
                    "SELECT reheat_data.ensure_partition(@parent, @day)", new { parent, day = today.AddDays(ahead) }, cancellationToken: cancel));
            }
        }
    }

    private static async Task RollUpAsync(
        NpgsqlConnection connection, string from, string to, string unit, DateTimeOffset before, List<(string, long)> rolled, CancellationToken cancel)
    {
        foreach ((string name, DateOnly day) in await PartitionsAsync(connection, from, cancel))
        {
            if (Begin(day.AddDays(1)) > before)
                continue;
            string rolling = name.EndsWith(Rolling, StringComparison.Ordinal) ? name : name + Rolling;
            if (rolling != name)
                await DetachAsync(connection, from, name, rolling, cancel);
            await connection.ExecuteAsync(new CommandDefinition("SELECT reheat_data.ensure_partition(@to, @day)", new { to, day }, cancellationToken: cancel));
            await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(cancel);
            long rows = await connection.QuerySingleAsync<long>(new CommandDefinition(
                $"SELECT count(*) FROM reheat_data.{rolling}", transaction: transaction, commandTimeout: 0, cancellationToken: cancel));
            await connection.ExecuteAsync(new CommandDefinition(
                $"""
                INSERT INTO reheat_data.{to} AS c (site, operation, size, target, outcome, bucket, executions, elements)
                SELECT site, operation, size, target, outcome, date_trunc('{unit}', bucket, 'UTC') AS wide,
                       reheat.saturated(sum(executions)), reheat.saturated(sum(elements))
                FROM reheat_data.{rolling}
                GROUP BY site, operation, size, target, outcome, wide
                ORDER BY site, operation, size, target, outcome, wide
                ON CONFLICT (site, operation, size, target, outcome, bucket) DO UPDATE
                SET executions = c.executions + least(excluded.executions, 9223372036854775807 - c.executions),
                    elements = c.elements + least(excluded.elements, 9223372036854775807 - c.elements);
                DROP TABLE reheat_data.{rolling}
                """, transaction: transaction, commandTimeout: 0, cancellationToken: cancel));
            await transaction.CommitAsync(cancel);
            rolled.Add((rolling[..^Rolling.Length], rows));
        }
    }

    /// <summary>
    /// Takes a partition out of its table, at once and without waiting long for those who read it: what follows takes time, and ingest must not wait for it. From here
    /// to the end of the roll-up its counts stand in no view of rates; if this process dies between, the next round finds the table by its name. It has a name of its own, so that
    /// what comes late for the same day finds a partition, or makes one.
    /// </summary>
    private static async Task DetachAsync(NpgsqlConnection connection, string parent, string name, string rolling, CancellationToken cancel)
    {
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(cancel);
        await connection.ExecuteAsync(new CommandDefinition(
            $"""
            {LockTimeout};
            DO $detach$ BEGIN
                IF EXISTS (SELECT FROM pg_inherits WHERE inhrelid = 'reheat_data.{name}'::regclass) THEN
                    ALTER TABLE reheat_data.{parent} DETACH PARTITION reheat_data.{name};
                END IF;
                ALTER TABLE reheat_data.{name} RENAME TO {rolling};
            END $detach$
            """, transaction: transaction, cancellationToken: cancel));
        await transaction.CommitAsync(cancel);
    }

    /// <summary>The partitions of a table, and those that were taken out of it to be rolled up, with the day or month that they begin with; oldest first.</summary>
    private static async Task<IReadOnlyList<(string Name, DateOnly First)>> PartitionsAsync(NpgsqlConnection connection, string parent, CancellationToken cancel)
    {
        string format = parent == Days ? "yyyyMM" : "yyyyMMdd";
        IEnumerable<string> names = await connection.QueryAsync<string>(new CommandDefinition(
            "SELECT relname::text FROM pg_class WHERE relnamespace = 'reheat_data'::regnamespace AND relkind = 'r' AND relname ~ @pattern ORDER BY relname LIKE '%rolling' DESC, relname",
            new { pattern = $"^{parent}_[0-9]{{{format.Length}}}({Rolling})?$" }, cancellationToken: cancel));
        return [.. names.Select(n => (n, DateOnly.ParseExact(n.AsSpan(parent.Length + 1, format.Length), format, CultureInfo.InvariantCulture)))];
    }

    private static DateTimeOffset Begin(DateOnly day) => new(day.ToDateTime(TimeOnly.MinValue), TimeSpan.Zero);
}
