using Dapper;
using Npgsql;
using NpgsqlTypes;
using Reheat.Core;

namespace Reheat.Store.Ingest;

/// <summary>Table <c>marks</c>: up to where each ring is counted.</summary>
internal static class MarkStore
{
    /// <summary>
    /// The usual case in one statement: every batch begins where its ring's mark stands, and its lease holds. Marks are locked in key order, as by
    /// <see cref="DecideAsync"/>.
    /// </summary>
    /// <returns>False if it is not so; then the transaction must be rolled back, and nothing is decided.</returns>
    public static async Task<bool> TryMoveAsync(NpgsqlConnection connection, IReadOnlyList<IngestBatch> batches, CancellationToken cancel)
    {
        IngestBatch[][] rings = Rings(batches);
        foreach (IngestBatch[] ring in rings)
        {
            for (int i = 1; i < ring.Length; i++)
            {
                if (ring[i].From != ring[i - 1].To || ring[i].Stream.Lease != ring[0].Stream.Lease)
                    return false;
            }
        }
        if (await MoveAsync(connection, rings, cancel) < rings.Length)
            return false;
        foreach (IngestBatch batch in batches)
            (batch.Fate, batch.Mark) = (BatchFate.Counted, batch.To);
        return true;
    }

    /// <summary>Locks the marks of these batches in key order (two unsorted commits would deadlock), decides each batch's fate, and moves the marks over the counted ones.</summary>
    public static async Task DecideAsync(NpgsqlConnection connection, IReadOnlyList<IngestBatch> batches, CancellationToken cancel)
    {
        IngestBatch[] keys = [.. Rings(batches).Select(ring => ring[0])];
        var marks = (await connection.QueryAsync<(string Wedge, long Epoch, int Ring, long Lease, long Position)>(new CommandDefinition(
            """
            SELECT m.wedge, m.epoch, m.ring, m.lease, m.position
            FROM unnest(@wedges, @epochs, @rings) WITH ORDINALITY AS k (wedge, epoch, ring, number)
            JOIN reheat_data.marks m USING (wedge, epoch, ring)
            ORDER BY k.number
            FOR UPDATE OF m
            """,
            new
            {
                wedges = keys.Select(b => b.Stream.Wedge).ToArray(),
                epochs = keys.Select(b => b.Stream.Epoch).ToArray(),
                rings = keys.Select(b => b.Ring).ToArray(),
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
        IngestBatch[][] moving = Rings([.. batches.Where(b => b.Fate == BatchFate.Counted)]);
        if (moving.Length > 0 && await MoveAsync(connection, moving, cancel) is int moved && moved < moving.Length)
            throw new InvalidOperationException($"{moved} of {moving.Length} marks moved, and all were locked");
    }

    /// <summary>Adds what these batches found first; few do.</summary>
    /// <returns>Tokens of the batches, and what all of their streams were the first to name by now.</returns>
    public static async Task<IReadOnlyList<(string Token, long Sites)>> CreditSitesAsync(NpgsqlConnection connection, IReadOnlyList<IngestBatch> batches, CancellationToken cancel)
    {
        IngestBatch[][] rings = Rings([.. batches.Where(b => b.AddedSites > 0)]);
        if (rings.Length == 0)
            return [];
        await using var command = new NpgsqlCommand(
            """
            UPDATE reheat_data.marks m SET new_sites = m.new_sites + u.added
            FROM unnest($1, $2, $3, $4) AS u (wedge, epoch, ring, added)
            WHERE m.wedge = u.wedge AND m.epoch = u.epoch AND m.ring = u.ring
            """, connection);
        AddKeys(command.Parameters, rings);
        command.Parameters.Add(Array(rings, r => r.Sum(b => (long)b.AddedSites)));
        await command.ExecuteNonQueryAsync(cancel);
        (string Token, long Added)[] tokens = [.. rings.SelectMany(r => r).Where(b => b.Stream.Token is not null)
            .GroupBy(b => b.Stream.Token!).OrderBy(t => t.Key, StringComparer.Ordinal).Select(t => (t.Key, t.Sum(b => (long)b.AddedSites)))];
        if (tokens.Length == 0)
            return [];
        return [.. await connection.QueryAsync<(string, long)>(new CommandDefinition(
            """
            INSERT INTO reheat_data.token_sites AS t (token, new_sites) SELECT token, added FROM unnest(@tokens, @added) AS u (token, added)
            ON CONFLICT (token) DO UPDATE SET new_sites = t.new_sites + excluded.new_sites
            RETURNING t.token, t.new_sites
            """, new { tokens = tokens.Select(t => t.Token).ToArray(), added = tokens.Select(t => t.Added).ToArray() }, cancellationToken: cancel))];
    }

    /// <summary>Moves each ring's mark from its first batch's beginning to its last one's end and adds what they carried; one HOT update a ring.</summary>
    /// <returns>How many have moved: those that stood there under this lease.</returns>
    private static async Task<int> MoveAsync(NpgsqlConnection connection, IngestBatch[][] rings, CancellationToken cancel)
    {
        WedgeCounters[] counters = [.. rings.Select(r => r.LastOrDefault(b => b.Counters is not null)?.Counters ?? default)];
        // A nested loop over the arrays takes the marks in their order: that is the order of the locks. Any other plan would lock as the table lies.
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(new NpgsqlBatchCommand("SELECT set_config('enable_hashjoin', 'off', true), set_config('enable_mergejoin', 'off', true), set_config('enable_seqscan', 'off', true)"));
        var command = new NpgsqlBatchCommand(
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
                updated_at = now()
            FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
                AS u (wedge, epoch, ring, lease, begin, position, traps, hits, clamped, wedge_traps, full_traps, full_records, outside, spurious, wedge_hits, full_hits)
            WHERE m.wedge = u.wedge AND m.epoch = u.epoch AND m.ring = u.ring AND m.lease = u.lease AND m.position = u.begin
            """);
        batch.BatchCommands.Add(command);
        batch.BatchCommands.Add(new NpgsqlBatchCommand("SELECT set_config('enable_hashjoin', 'on', true), set_config('enable_mergejoin', 'on', true), set_config('enable_seqscan', 'on', true)"));
        AddKeys(command.Parameters, rings);
        command.Parameters.Add(Array(rings, r => r[0].Stream.Lease));
        command.Parameters.Add(Array(rings, r => r[0].From));
        command.Parameters.Add(Array(rings, r => r[^1].To));
        command.Parameters.Add(Array(rings, r => Saturating.Sum(r.Select(b => b.Traps))));
        command.Parameters.Add(Array(rings, r => Saturating.Sum(r.Select(b => b.Hits))));
        command.Parameters.Add(Array(rings, r => Saturating.Sum(r.Select(b => b.Clamped ? b.Traps : 0))));
        command.Parameters.Add(Array(counters, c => c.Traps));
        command.Parameters.Add(Array(counters, c => c.DroppedTraps));
        command.Parameters.Add(Array(counters, c => c.DroppedRecords));
        command.Parameters.Add(Array(counters, c => c.OutsideTraps));
        command.Parameters.Add(Array(counters, c => c.Spurious));
        command.Parameters.Add(Array(counters, c => c.Hits));
        command.Parameters.Add(Array(counters, c => c.DroppedHits));
        await batch.PrepareAsync(cancel);
        await batch.ExecuteNonQueryAsync(cancel);
        return command.RecordsAffected;
    }

    /// <summary>Batches by ring, rings in key order.</summary>
    private static IngestBatch[][] Rings(IReadOnlyList<IngestBatch> batches) =>
        [.. batches.GroupBy(b => (b.Stream.Wedge, b.Stream.Epoch, b.Ring))
            .OrderBy(r => r.Key.Wedge, StringComparer.Ordinal).ThenBy(r => r.Key.Epoch).ThenBy(r => r.Key.Ring)
            .Select(r => r.ToArray())];

    private static void AddKeys(NpgsqlParameterCollection parameters, IngestBatch[][] rings)
    {
        parameters.Add(new NpgsqlParameter { Value = rings.Select(r => r[0].Stream.Wedge).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
        parameters.Add(Array(rings, r => r[0].Stream.Epoch));
        parameters.Add(new NpgsqlParameter { Value = rings.Select(r => r[0].Ring).ToArray(), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Integer });
    }

    private static NpgsqlParameter Array<T>(T[] of, Func<T, long> value) =>
        new() { Value = System.Array.ConvertAll(of, item => value(item)), NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint };
}
