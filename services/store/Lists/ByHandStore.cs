using Dapper;
using Npgsql;

namespace Reheat.Store.Lists;

/// <summary>Table <c>by_hand_lists</c>: what people allow and deny.</summary>
public sealed class ByHandStore(NpgsqlDataSource database)
{
    /// <summary>The list of a series, or null.</summary>
    public async Task<string?> FindAsync(string series, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        return await connection.QuerySingleOrDefaultAsync<string>(new CommandDefinition(
            "SELECT body FROM reheat_data.by_hand_lists WHERE series = @series", new { series }, cancellationToken: cancel));
    }

    /// <summary>Keeps a list, or takes it away if empty, and has the lists of the series' builds made anew.</summary>
    public async Task SetAsync(string series, string body, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(cancel);
        await connection.ExecuteAsync(new CommandDefinition(
            body.Length == 0
                ? "DELETE FROM reheat_data.by_hand_lists WHERE series = @series"
                : """
                  INSERT INTO reheat_data.by_hand_lists (series, body) VALUES (@series, @body)
                  ON CONFLICT (series) DO UPDATE SET body = excluded.body, updated_at = now()
                  """, new { series, body }, transaction, cancellationToken: cancel));
        IEnumerable<long> builds = await connection.QueryAsync<long>(new CommandDefinition(
            "SELECT build FROM reheat_data.builds WHERE series = @series ORDER BY build", new { series }, transaction, cancellationToken: cancel));
        foreach (long build in builds)
            await JobStore.QueueAsync(connection, JobKind.Annotate, build, TimeSpan.Zero, cancel);
        await transaction.CommitAsync(cancel);
    }
}
