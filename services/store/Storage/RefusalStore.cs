using Dapper;
using Npgsql;

namespace Reheat.Store.Storage;

/// <summary>What was refused for a limit since it was told last.</summary>
/// <param name="Subject"><c>wedge:NAME</c> or <c>token:NAME</c>; <c>collector</c> or <c>database</c> where the limit is of all.</param>
/// <param name="Limit">The setting's name.</param>
/// <param name="Allowed">What it allows.</param>
/// <param name="Refused">How often.</param>
/// <param name="Asked">What was asked for the last time.</param>
public sealed record RefusalRow(string Subject, string Limit, long Allowed, long Refused, long Asked);

/// <summary>Table <c>refusals</c>.</summary>
public sealed class RefusalStore(NpgsqlDataSource database)
{
    /// <summary>Adds to today's counts, in key order.</summary>
    public async Task AddAsync(IReadOnlyCollection<RefusalRow> rows, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        await connection.ExecuteAsync(new CommandDefinition(
            """
            INSERT INTO reheat_data.refusals AS r (day, subject, limit_name, limit_value, refused, last_value, last_at)
            SELECT (now() AT TIME ZONE 'UTC')::date, subject, limit_name, limit_value, refused, last_value, now()
            FROM unnest(@subjects, @limits, @allowed, @refused, @asked) AS u (subject, limit_name, limit_value, refused, last_value)
            ORDER BY subject, limit_name
            ON CONFLICT (subject, limit_name, day) DO UPDATE
            SET limit_value = excluded.limit_value, refused = r.refused + excluded.refused, last_value = excluded.last_value, last_at = excluded.last_at
            """,
            new
            {
                subjects = rows.Select(r => r.Subject).ToArray(),
                limits = rows.Select(r => r.Limit).ToArray(),
                allowed = rows.Select(r => r.Allowed).ToArray(),
                refused = rows.Select(r => r.Refused).ToArray(),
                asked = rows.Select(r => r.Asked).ToArray(),
            }, cancellationToken: cancel));
    }
}
