using Dapper;
using Npgsql;
using NpgsqlTypes;
using Reheat.Core;
using Reheat.Store.Lists;

namespace Reheat.Store.Ingest;

/// <summary>Table <c>sites</c>.</summary>
public sealed class SiteStore(NpgsqlDataSource database)
{
    /// <summary>Adds the sites that are not there yet, in key order.</summary>
    /// <returns>Those.</returns>
    internal static async Task<IReadOnlySet<SiteId>> AddAsync(NpgsqlConnection connection, IReadOnlyCollection<SiteRef> sites, CancellationToken cancel)
    {
        var added = new HashSet<SiteId>();
        if (sites.Count == 0)
            return added;
        await using var command = new NpgsqlCommand(
            """
            INSERT INTO reheat_data.sites (site, build_id, address)
            SELECT DISTINCT ON (site) site, build_id, address FROM unnest($1, $2, $3) AS s (site, build_id, address) ORDER BY site
            ON CONFLICT (site) DO NOTHING
            RETURNING site
            """, connection);
        command.Parameters.Add(new NpgsqlParameter { Value = sites.Select(s => s.Site.Value).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint });
        command.Parameters.Add(new NpgsqlParameter { Value = sites.Select(s => s.Image.ToBytes()).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea });
        command.Parameters.Add(new NpgsqlParameter { Value = sites.Select(s => unchecked((long)s.Address.Value)).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint });
        await using NpgsqlDataReader reader = await command.ExecuteReaderAsync(cancel);
        while (await reader.ReadAsync(cancel))
            added.Add(new SiteId(reader.GetInt64(0)));
        return added;
    }

    /// <summary>How many of the given sites the database does not have.</summary>
    public async Task<int> CountUnknownAsync(IReadOnlyCollection<SiteId> sites, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        return sites.Count - await connection.QuerySingleAsync<int>(new CommandDefinition(
            "SELECT count(*)::integer FROM reheat_data.sites WHERE site = ANY(@ids)", new { ids = sites.Select(s => s.Value).ToArray() }, cancellationToken: cancel));
    }

    /// <summary>Those of the given sites whose instruction bytes are not known, or doubted.</summary>
    public async Task<IReadOnlyList<SiteId>> WithoutCodeAsync(IEnumerable<SiteId> sites, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        IEnumerable<long> ids = await connection.QueryAsync<long>(new CommandDefinition(
            "SELECT site FROM reheat_data.sites WHERE site = ANY(@ids) AND (code IS NULL OR code_doubted) ORDER BY site",
            new { ids = sites.Select(s => s.Value).ToArray() }, cancellationToken: cancel));
        return [.. ids.Select(id => new SiteId(id))];
    }

    /// <summary>
    /// Keeps instruction bytes and has the lists made anew that they may change. The first to come stay, unless the recompiler doubts them: then the
    /// next that differ take their place. It doubts only bytes that the image does not bear out, so this converges: a hostile wedge can at
    /// most be asked first, again and again, until one honest wedge is; what that one says fits the image and stays for good.
    /// </summary>
    public async Task SetCodeAsync(IReadOnlyCollection<(SiteId Site, byte[] Code)> codes, CancellationToken cancel)
    {
        (SiteId Site, byte[] Code)[] ordered = [.. codes.OrderBy(c => c.Site)];
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(cancel);
        IEnumerable<byte[]> changed = await connection.QueryAsync<byte[]>(new CommandDefinition(
            """
            WITH told AS (
                UPDATE reheat_data.sites s SET code = u.code, code_doubted = false
                FROM (SELECT sites.site, c.code
                      FROM reheat_data.sites JOIN unnest(@ids, @bytes) AS c (site, code) ON sites.site = c.site
                      WHERE sites.code IS NULL OR sites.code_doubted AND sites.code <> c.code
                      ORDER BY sites.site FOR UPDATE OF sites) u
                WHERE s.site = u.site
                RETURNING s.build_id)
            SELECT DISTINCT build_id FROM told
            """,
            new { ids = ordered.Select(c => c.Site.Value).ToArray(), bytes = ordered.Select(c => c.Code).ToArray() },
            transaction, cancellationToken: cancel));
        await JobStore.QueueForImagesAsync(connection, [.. changed.Select(id => new BuildId(id))], cancel);
        await transaction.CommitAsync(cancel);
    }

    /// <summary>Doubts these bytes of sites, in key order; not what has come in their place meanwhile.</summary>
    internal static async Task DoubtCodeAsync(NpgsqlConnection connection, IReadOnlyCollection<(SiteId Site, byte[] Code)> codes, CancellationToken cancel)
    {
        if (codes.Count == 0)
            return;
        (SiteId Site, byte[] Code)[] ordered = [.. codes.DistinctBy(c => c.Site).OrderBy(c => c.Site)];
        await connection.ExecuteAsync(new CommandDefinition(
            """
            UPDATE reheat_data.sites s SET code_doubted = true
            FROM (SELECT sites.site
                  FROM reheat_data.sites JOIN unnest(@ids, @bytes) AS c (site, code) ON sites.site = c.site AND sites.code = c.code
                  WHERE NOT sites.code_doubted ORDER BY sites.site FOR UPDATE OF sites) u
            WHERE s.site = u.site
            """,
            new { ids = ordered.Select(c => c.Site.Value).ToArray(), bytes = ordered.Select(c => c.Code).ToArray() },
            cancellationToken: cancel));
    }
}
