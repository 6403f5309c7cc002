using System.Security.Cryptography;
using System.Text;
using Dapper;
using Npgsql;

namespace Reheat.Store.Lists;

/// <summary>A stored annotation list.</summary>
public sealed record AnnotationListRow(
    long Build, int Version, string Body, byte[] BodySha256, string Provenance, int Annotations, int Refused, DateTime CreatedAt);

/// <summary>Tables <c>annotation_lists</c>, <c>resolutions</c> and <c>verdicts</c>: what the recompiler found out.</summary>
public sealed class AnnotationListStore(NpgsqlDataSource database)
{
    /// <summary>
    /// Stores the result of a job and ends it, in one transaction. A new version is made only if the body differs from the newest one's;
    /// otherwise that version's provenance is brought up to date.
    /// </summary>
    /// <returns>The version, or null if the claim on the job was lost and nothing was stored.</returns>
    public async Task<int?> SaveAsync(JobRow job, string worker, ListResult result, CancellationToken cancel)
    {
        byte[] sha256 = SHA256.HashData(Encoding.UTF8.GetBytes(result.Body));
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(cancel);
        // Versions of one build are numbered one after another.
        await connection.ExecuteAsync(new CommandDefinition("SELECT pg_advisory_xact_lock(@Build)", new { job.Build }, transaction, cancellationToken: cancel));
        if (!await JobStore.FinishAsync(connection, job.Job, worker, cancel))
            return null;
        await VerdictStore.ReplaceAsync(connection, result.Sites, cancel);

        (int Version, byte[] Sha256, string Provenance)? newest = await connection.QueryFirstOrDefaultAsync<(int, byte[], string)?>(new CommandDefinition(
            "SELECT version, body_sha256, provenance FROM reheat_data.annotation_lists WHERE build = @Build ORDER BY version DESC LIMIT 1",
            new { job.Build }, transaction, cancellationToken: cancel));
        bool same = newest is { } n && n.Sha256.AsSpan().SequenceEqual(sha256);
        int version = same ? newest!.Value.Version : (newest?.Version ?? 0) + 1;
        await connection.ExecuteAsync(new CommandDefinition(
            """
            INSERT INTO reheat_data.annotation_lists (build, version, body, body_sha256, provenance, annotations, refused)
            VALUES (@Build, @version, @Body, @sha256, @Provenance, @Annotations, @Refused)
            ON CONFLICT (build, version) DO UPDATE SET provenance = excluded.provenance, refused = excluded.refused
            """,
            new { job.Build, version, result.Body, sha256, result.Provenance, result.Annotations, result.Refused },
            transaction, cancellationToken: cancel));
        // Lists are carried forward: what changed here changes the next build's. One after the other, so the chain ends.
        if (!same || newest!.Value.Provenance != result.Provenance)
            await QueueNextAsync(connection, job.Build, cancel);
        await transaction.CommitAsync(cancel);
        return version;
    }

    private static async Task QueueNextAsync(NpgsqlConnection connection, long build, CancellationToken cancel)
    {
        long? next = await connection.QuerySingleAsync<long?>(new CommandDefinition(
            "SELECT min(n.build) FROM reheat_data.builds n JOIN reheat_data.builds b USING (series) WHERE b.build = @build AND n.build > @build",
            new { build }, cancellationToken: cancel));
        if (next is { } following)
            await JobStore.QueueAsync(connection, JobKind.Annotate, following, TimeSpan.Zero, cancel);
    }

    /// <summary>The newest list of the newest earlier build of the same series that has one; what is carried forward. Null if there is none.</summary>
    public async Task<AnnotationListRow?> FindPreviousAsync(long build, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        return await connection.QueryFirstOrDefaultAsync<AnnotationListRow>(new CommandDefinition(
            """
            SELECT l.build, l.version, l.body, l.body_sha256 AS bodysha256, l.provenance, l.annotations, l.refused, l.created_at AS createdat
            FROM reheat_data.annotation_lists l
            JOIN reheat_data.builds p USING (build)
            JOIN reheat_data.builds b ON b.series = p.series
            WHERE b.build = @build AND l.build < @build
            ORDER BY l.build DESC, l.version DESC LIMIT 1
            """, new { build }, cancellationToken: cancel));
    }

    /// <summary>A build's list; <paramref name="version"/> 0 for the newest. Null if there is none.</summary>
    public async Task<AnnotationListRow?> FindAsync(long build, int version, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        return await connection.QueryFirstOrDefaultAsync<AnnotationListRow>(new CommandDefinition(
            """
            SELECT build, version, body, body_sha256 AS bodysha256, provenance, annotations, refused, created_at AS createdat
            FROM reheat_data.annotation_lists WHERE build = @build AND (@version = 0 OR version = @version)
            ORDER BY version DESC LIMIT 1
            """, new { build, version }, cancellationToken: cancel));
    }

    /// <summary>The versions of a build's list, newest first, with empty texts.</summary>
    public async Task<IReadOnlyList<AnnotationListRow>> ListAsync(long build, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        return [.. await connection.QueryAsync<AnnotationListRow>(new CommandDefinition(
            """
            SELECT build, version, '' AS body, body_sha256 AS bodysha256, '' AS provenance, annotations, refused, created_at AS createdat
            FROM reheat_data.annotation_lists WHERE build = @build ORDER BY version DESC
            """, new { build }, cancellationToken: cancel))];
    }
}

/// <summary>What a job made.</summary>
/// <param name="Body">The list that the second pass reads.</param>
/// <param name="Provenance">Its companion.</param>
/// <param name="Annotations">Lines of the body that name sites.</param>
/// <param name="Refused">Observed sites that are not in it.</param>
/// <param name="Sites">Every observed site, resolved and judged.</param>
public sealed record ListResult(string Body, string Provenance, int Annotations, int Refused, IReadOnlyList<SiteVerdict> Sites);
