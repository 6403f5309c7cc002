using Npgsql;
using NpgsqlTypes;
using Reheat.Core;

namespace Reheat.Store.Ingest;

/// <summary>Table <c>drops</c>.</summary>
internal static class DropStore
{
    /// <summary>Adds the drops of these batches. Inside the transaction that moves the marks.</summary>
    public static async Task AddAsync(NpgsqlConnection connection, IEnumerable<IngestBatch> batches, CancellationToken cancel)
    {
        var rows = batches
            .SelectMany(b => b.Drops, (b, drop) => (b.Stream.Wedge, b.Stream.Epoch, b.Ring, drop))
            .GroupBy(r => (r.Wedge, r.Epoch, r.Ring, r.drop.Reason))
            .Select(g => (g.Key, Traps: Saturating.Sum(g.Select(r => r.drop.Traps)), Records: Saturating.Sum(g.Select(r => r.drop.Records)),
                Hits: Saturating.Sum(g.Select(r => r.drop.Hits))))
            .ToArray();
        if (rows.Length == 0)
            return;
        await using var command = new NpgsqlCommand(
            """
            INSERT INTO reheat_data.drops AS d (wedge, epoch, ring, reason, traps, records, hits)
            SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7) AS u (wedge, epoch, ring, reason, traps, records, hits)
            ORDER BY wedge, epoch, ring, reason
            ON CONFLICT (wedge, epoch, ring, reason) DO UPDATE
            SET traps = d.traps + least(excluded.traps, 9223372036854775807 - d.traps),
                records = d.records + least(excluded.records, 9223372036854775807 - d.records),
                hits = d.hits + least(excluded.hits, 9223372036854775807 - d.hits)
            """, connection);
        command.Parameters.Add(new NpgsqlParameter { Value = rows.Select(r => r.Key.Wedge).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
        command.Parameters.Add(new NpgsqlParameter { Value = rows.Select(r => r.Key.Epoch).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint });
        command.Parameters.Add(new NpgsqlParameter { Value = rows.Select(r => r.Key.Ring).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Integer });
        command.Parameters.Add(new NpgsqlParameter { Value = rows.Select(r => r.Key.Reason).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Smallint });
        command.Parameters.Add(new NpgsqlParameter { Value = rows.Select(r => r.Traps).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint });
        command.Parameters.Add(new NpgsqlParameter { Value = rows.Select(r => r.Records).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint });
        command.Parameters.Add(new NpgsqlParameter { Value = rows.Select(r => r.Hits).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint });
        await command.ExecuteNonQueryAsync(cancel);
    }
}
