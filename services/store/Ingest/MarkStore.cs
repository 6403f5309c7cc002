using Dapper;
using Npgsql;
using NpgsqlTypes;
using Reheat.Core;

namespace Reheat.Store.Ingest;

/// <summary>Table <c>marks</c>: up to where each ring is counted.</summary>
internal static class MarkStore
{
    /// <summary>Locks the marks of these batches in key order (two unsorted commits would deadlock) and decides each batch's fate.</summary>
    public static async Task DecideAsync(NpgsqlConnection connection, IReadOnlyList<IngestBatch> batches, CancellationToken cancel)
    {
        (string Wedge, long Epoch, int Ring)[] keys = [.. batches.Select(b => (b.Stream.Wedge, b.Stream.Epoch, b.Ring)).Distinct()];
        var marks = (await connection.QueryAsync<(string Wedge, long Epoch, int Ring, long Lease, long Position)>(new CommandDefinition(
            """
            SELECT m.wedge, m.epoch, m.ring, m.lease, m.position
            FROM reheat_data.marks m
            JOIN unnest(@wedges, @epochs, @rings) AS k (wedge, epoch, ring) USING (wedge, epoch, ring)
            ORDER BY m.wedge, m.epoch, m.ring
            FOR UPDATE OF m
            """,
            new
            {
                wedges = keys.Select(k => k.Wedge).ToArray(),
                epochs = keys.Select(k => k.Epoch).ToArray(),
                rings = keys.Select(k => k.Ring).ToArray(),
            }, cancellationToken: cancel)))
            .ToDictionary(m => (m.Wedge, m.Epoch, m.Ring), m => (m.Lease, m.Position));

        foreach (IngestBatch batch in batches)
        {
            var key = (batch.Stream.Wedge, batch.Stream.Epoch, batch.Ring);
            // A mark that is gone fences its stream off too.
            if (!marks.TryGetValue(key, out (long Lease, long Position) mark) || mark.Lease != batch.Stream.Lease)
            {
                batch.Fate = BatchFate.LeaseLost;
                continue;
            }
            batch.Fate = batch switch
            {
                _ when batch.From == mark.Position => BatchFate.Counted,
                _ when batch.From > mark.Position => BatchFate.Gap,
                _ when batch.To <= mark.Position => BatchFate.Duplicate,
                _ => BatchFate.Overlap,
            };
            if (batch.Fate == BatchFate.Counted)
                marks[key] = mark with { Position = batch.To };
            batch.Mark = marks[key].Position;
        }
    }

    /// <summary>Moves the marks over the counted batches and adds what they carried; one HOT update a ring.</summary>
    public static async Task MoveAsync(NpgsqlConnection connection, IReadOnlyList<IngestBatch> batches, CancellationToken cancel)
    {
        IGrouping<(string Wedge, long Epoch, int Ring), IngestBatch>[] rings =
            [.. batches.GroupBy(b => (b.Stream.Wedge, b.Stream.Epoch, b.Ring))];
        if (rings.Length == 0)
            return;
        WedgeCounters[] counters = [.. rings.Select(r => r.LastOrDefault(b => b.Counters is not null)?.Counters ?? default)];
        await using var command = new NpgsqlCommand(
            """
            UPDATE reheat_data.marks m
            SET position = u.position,
                stored_traps = m.stored_traps + least(u.traps, 9223372036854775807 - m.stored_traps),
                stored_hits = m.stored_hits + least(u.hits, 9223372036854775807 - m.stored_hits),
                clamped_traps = m.clamped_traps + least(u.clamped, 9223372036854775807 - m.clamped_traps),
                wedge_traps = greatest(m.wedge_traps, u.wedge_traps),
                ring_full_traps = greatest(m.ring_full_traps, u.full_traps),
                ring_full_records = greatest(m.ring_full_records, u.full_records),
                outside_traps = greatest(m.outside_traps, u.outside),
                spurious = greatest(m.spurious, u.spurious),
                wedge_hits = greatest(m.wedge_hits, u.wedge_hits),
                ring_full_hits = greatest(m.ring_full_hits, u.full_hits),
                new_sites = m.new_sites + u.new_sites,
                updated_at = now()
            FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
                AS u (wedge, epoch, ring, position, traps, hits, clamped, wedge_traps, full_traps, full_records, outside, spurious, wedge_hits, full_hits, new_sites)
            WHERE m.wedge = u.wedge AND m.epoch = u.epoch AND m.ring = u.ring
            """, connection);
        command.Parameters.Add(Array(rings.Select(r => r.Key.Wedge), NpgsqlDbType.Text));
        command.Parameters.Add(Array(rings.Select(r => r.Key.Epoch), NpgsqlDbType.Bigint));
        command.Parameters.Add(Array(rings.Select(r => r.Key.Ring), NpgsqlDbType.Integer));
        command.Parameters.Add(Array(rings.Select(r => r.Max(b => b.To)), NpgsqlDbType.Bigint));
        command.Parameters.Add(Array(rings.Select(r => Saturating.Sum(r.Select(b => b.Traps))), NpgsqlDbType.Bigint));
        command.Parameters.Add(Array(rings.Select(r => Saturating.Sum(r.Select(b => b.Hits))), NpgsqlDbType.Bigint));
        command.Parameters.Add(Array(rings.Select(r => Saturating.Sum(r.Select(b => b.Clamped ? b.Traps : 0))), NpgsqlDbType.Bigint));
        command.Parameters.Add(Array(counters.Select(c => c.Traps), NpgsqlDbType.Bigint));
        command.Parameters.Add(Array(counters.Select(c => c.DroppedTraps), NpgsqlDbType.Bigint));
        command.Parameters.Add(Array(counters.Select(c => c.DroppedRecords), NpgsqlDbType.Bigint));
        command.Parameters.Add(Array(counters.Select(c => c.OutsideTraps), NpgsqlDbType.Bigint));
        command.Parameters.Add(Array(counters.Select(c => c.Spurious), NpgsqlDbType.Bigint));
        command.Parameters.Add(Array(counters.Select(c => c.Hits), NpgsqlDbType.Bigint));
        command.Parameters.Add(Array(counters.Select(c => c.DroppedHits), NpgsqlDbType.Bigint));
        command.Parameters.Add(Array(rings.Select(r => r.Sum(b => (long)b.AddedSites)), NpgsqlDbType.Bigint));
        await command.ExecuteNonQueryAsync(cancel);
    }

    private static NpgsqlParameter Array<T>(IEnumerable<T> values, NpgsqlDbType type) =>
        new() { Value = values.ToArray(), NpgsqlDbType = NpgsqlDbType.Array | type };
}
