using Dapper;
using Npgsql;
using NpgsqlTypes;
using Reheat.Core;

namespace Reheat.Store.Ingest;

/// <summary>Table <c>sites</c>.</summary>
public sealed class SiteStore(NpgsqlDataSource database)
{
    /// <summary>Adds the sites that are not there yet, in key order.</summary>
    internal static async Task AddAsync(NpgsqlConnection connection, IReadOnlyCollection<SiteRef> sites, CancellationToken cancel)
    {
        if (sites.Count == 0)
            return;
        await using var command = new NpgsqlCommand(
            """
            INSERT INTO reheat_data.sites (site, build_id, address)
            SELECT DISTINCT ON (site) site, build_id, address FROM unnest($1, $2, $3) AS s (site, build_id, address) ORDER BY site
            ON CONFLICT (site) DO NOTHING
            """, connection);
        command.Parameters.Add(new NpgsqlParameter { Value = sites.Select(s => s.Site.Value).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint });
        command.Parameters.Add(new NpgsqlParameter { Value = sites.Select(s => s.Image.ToBytes()).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea });
        command.Parameters.Add(new NpgsqlParameter { Value = sites.Select(s => unchecked((long)s.Address.Value)).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint });
        await command.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Those of the given sites whose instruction bytes are not known.</summary>
    public async Task<IReadOnlyList<SiteId>> WithoutCodeAsync(IEnumerable<SiteId> sites, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        IEnumerable<long> ids = await connection.QueryAsync<long>(new CommandDefinition(
            "SELECT site FROM reheat_data.sites WHERE site = ANY(@ids) AND code IS NULL ORDER BY site",
            new { ids = sites.Select(s => s.Value).ToArray() }, cancellationToken: cancel));
        return [.. ids.Select(id => new SiteId(id))];
    }

    /// <summary>Keeps instruction bytes; the first to come stay.</summary>
    public async Task SetCodeAsync(IReadOnlyCollection<(SiteId Site, byte[] Code)> codes, CancellationToken cancel)
    {
        (SiteId Site, byte[] Code)[] ordered = [.. codes.OrderBy(c => c.Site)];
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        await connection.ExecuteAsync(new CommandDefinition(
            """
            UPDATE reheat_data.sites s SET code = u.code
            FROM (SELECT sites.site, c.code
                  FROM reheat_data.sites JOIN unnest(@ids, @bytes) AS c (site, code) ON sites.site = c.site
                  WHERE sites.code IS NULL ORDER BY sites.site FOR UPDATE OF sites) u
            WHERE s.site = u.site
            """,
            new { ids = ordered.Select(c => c.Site.Value).ToArray(), bytes = ordered.Select(c => c.Code).ToArray() },
            cancellationToken: cancel));
    }
}
