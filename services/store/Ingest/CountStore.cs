using Npgsql;
using NpgsqlTypes;

namespace Reheat.Store.Ingest;

/// <summary>
/// Tables <c>counts</c>, <c>counts_hour</c> and <c>site_totals</c>: binary COPY into a staging table, then one merge each, in key order. Sums stop at the largest
/// number: rows are shared, and one hostile agent's claims must not make everyone's batches overflow.
/// </summary>
internal static class CountStore
{
    /// <summary>Makes the staging table of this connection if it is not there, and the partitions that the buckets need.</summary>
    /// <returns>
    /// Which database this is. Another value: it was restored, replaced or emptied (or its server was started anew, when nobody can tell).
    /// Any of these makes the tables' files others or ends the server, so no mark need be kept in the database, where a restore would restore it too.
    /// </returns>
    public static async Task<string> PrepareAsync(NpgsqlConnection connection, IEnumerable<(BucketWidth Width, DateTime Day)> partitions, CancellationToken cancel)
    {
        await using var batch = new NpgsqlBatch(connection);
        batch.BatchCommands.Add(new NpgsqlBatchCommand(
            """
            CREATE TEMP TABLE IF NOT EXISTS staged_counts (
                site bigint, operation smallint, size smallint, target smallint, outcome smallint, width smallint, bucket timestamptz,
                executions bigint, elements bigint, wedges bit(256)
            ) ON COMMIT DELETE ROWS
            """));
        foreach ((BucketWidth width, DateTime day) in partitions)
        {
            batch.BatchCommands.Add(new NpgsqlBatchCommand("SELECT reheat_data.ensure_partition($1, $2)")
            {
                Parameters =
                {
                    new NpgsqlParameter { Value = width == BucketWidth.Minute ? "counts" : "counts_hour", NpgsqlDbType = NpgsqlDbType.Text },
                    new NpgsqlParameter { Value = DateOnly.FromDateTime(day), NpgsqlDbType = NpgsqlDbType.Date },
                },
            });
        }
        batch.BatchCommands.Add(new NpgsqlBatchCommand(
            """
            SELECT concat_ws('/', pg_postmaster_start_time(), (SELECT oid FROM pg_database WHERE datname = current_database()),
                'reheat_data.sites'::regclass::oid, pg_relation_filenode('reheat_data.sites'),
                'reheat_data.targets'::regclass::oid, pg_relation_filenode('reheat_data.targets'))
            """));
        await using NpgsqlDataReader reader = await batch.ExecuteReaderAsync(cancel);
        string identity = "";
        do
        {
            while (await reader.ReadAsync(cancel))
                identity = reader.GetValue(0) as string ?? "";
        }
        while (await reader.NextResultAsync(cancel));
        return identity;
    }

    /// <summary>Adds what was folded. Inside the transaction that moves the marks.</summary>
    public static async Task MergeAsync(NpgsqlConnection connection, IReadOnlyList<FoldedRow> rows, CancellationToken cancel)
    {
        if (rows.Count == 0)
            return;
        bool hours = false;
        await using (NpgsqlBinaryImporter copy = await connection.BeginBinaryImportAsync(
            "COPY staged_counts (site, operation, size, target, outcome, width, bucket, executions, elements, wedges) FROM STDIN (FORMAT BINARY)", cancel))
        {
            foreach (FoldedRow row in rows)
            {
                CountKey key = row.Key;
                hours |= row.Bucket.Width == BucketWidth.Hour;
                await copy.StartRowAsync(cancel);
                await copy.WriteAsync(key.Site.Value, NpgsqlDbType.Bigint, cancel);
                await copy.WriteAsync((short)key.Operation, NpgsqlDbType.Smallint, cancel);
                await copy.WriteAsync((short)key.Size, NpgsqlDbType.Smallint, cancel);
                await copy.WriteAsync(key.Target, NpgsqlDbType.Smallint, cancel);
                await copy.WriteAsync((short)key.Outcome, NpgsqlDbType.Smallint, cancel);
                await copy.WriteAsync((short)row.Bucket.Width, NpgsqlDbType.Smallint, cancel);
                await copy.WriteAsync(row.Bucket.Start, NpgsqlDbType.TimestampTz, cancel);
                await copy.WriteAsync(row.Executions, NpgsqlDbType.Bigint, cancel);
                await copy.WriteAsync(row.Elements, NpgsqlDbType.Bigint, cancel);
                await copy.WriteAsync(row.Wedges.ToBits(), NpgsqlDbType.Bit, cancel);
            }
            await copy.CompleteAsync(cancel);
        }

        await using var merge = new NpgsqlBatch(connection);
        merge.BatchCommands.Add(new NpgsqlBatchCommand(Merge("counts", BucketWidth.Minute)));
        if (hours)
            merge.BatchCommands.Add(new NpgsqlBatchCommand(Merge("counts_hour", BucketWidth.Hour)));
        merge.BatchCommands.Add(new NpgsqlBatchCommand(
            """
            INSERT INTO reheat_data.site_totals AS t (site, operation, size, target, outcome, executions, elements, wedges, last_bucket)
            SELECT site, operation, size, target, outcome,
                   reheat.saturated(sum(executions)), reheat.saturated(sum(elements)), bit_or(wedges), max(bucket)
            FROM staged_counts
            GROUP BY site, operation, size, target, outcome
            ORDER BY site, operation, size, target, outcome
            ON CONFLICT (site, operation, size, target, outcome) DO UPDATE
            SET executions = t.executions + least(excluded.executions, 9223372036854775807 - t.executions),
                elements = t.elements + least(excluded.elements, 9223372036854775807 - t.elements),
                wedges = t.wedges | excluded.wedges, last_bucket = greatest(t.last_bucket, excluded.last_bucket)
            """));
        await merge.ExecuteNonQueryAsync(cancel);
    }

    private static string Merge(string table, BucketWidth width) =>
        $"""
        INSERT INTO reheat_data.{table} AS c (site, operation, size, target, outcome, bucket, executions, elements)
        SELECT site, operation, size, target, outcome, bucket, executions, elements FROM staged_counts WHERE width = {(short)width}
        ORDER BY site, operation, size, target, outcome, bucket
        ON CONFLICT (site, operation, size, target, outcome, bucket) DO UPDATE
        SET executions = c.executions + least(excluded.executions, 9223372036854775807 - c.executions),
            elements = c.elements + least(excluded.elements, 9223372036854775807 - c.elements)
        """;
}
