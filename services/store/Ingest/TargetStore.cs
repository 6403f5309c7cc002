using System.Collections.Concurrent;
using Dapper;
using Npgsql;

namespace Reheat.Store.Ingest;

/// <summary>Table <c>targets</c>: names of what instructions touch, as small numbers. Cached for ever, as names never change theirs.</summary>
public sealed class TargetStore(NpgsqlDataSource database)
{
    private readonly ConcurrentDictionary<string, short> _known = new(StringComparer.Ordinal);

    /// <summary>The number of a name, made if it is new.</summary>
    public async ValueTask<short> GetOrAddAsync(string name, CancellationToken cancel)
    {
        if (_known.TryGetValue(name, out short known))
            return known;
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        // The identity column would burn a number at each conflict; look first.
        short? found = await connection.QuerySingleOrDefaultAsync<short?>(new CommandDefinition(
            "SELECT target FROM reheat_data.targets WHERE name = @name", new { name }, cancellationToken: cancel));
        found ??= await connection.QuerySingleAsync<short>(new CommandDefinition(
            """
            INSERT INTO reheat_data.targets (name) VALUES (@name)
            ON CONFLICT (name) DO UPDATE SET name = excluded.name
            RETURNING target
            """, new { name }, cancellationToken: cancel));
        return _known[name] = found.Value;
    }
}
