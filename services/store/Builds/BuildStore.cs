using System.Security.Cryptography;
using Dapper;
using Npgsql;
using Reheat.Core;
using Reheat.Core.Records;

namespace Reheat.Store.Builds;

/// <summary>An image as it is registered.</summary>
/// <param name="BuildId">Its GNU build-id.</param>
/// <param name="Name">File name, for people.</param>
/// <param name="Machine">ELF <c>e_machine</c>.</param>
/// <param name="FileSize">Bytes.</param>
/// <param name="Parts">What resolving needs.</param>
public sealed record NewImage(BuildId BuildId, string Name, int Machine, long FileSize, IReadOnlyList<PartReference> Parts);

/// <summary>A part of an image by its hash; kind as in <c>reheat.v1.PartKind</c>.</summary>
public sealed record PartReference(short Kind, int Index, byte[] Sha256)
{
    /// <summary>The kind of the part that holds an image's records (<c>PART_KIND_ANNOTATED</c>).</summary>
    public const short Annotated = 6;
}

/// <summary>A registered build.</summary>
public sealed record BuildRow(long Build, string Series, string Label, DateTime RegisteredAt, IReadOnlyList<ImageRow> Images);

/// <summary>A registered image with what is known of it.</summary>
/// <param name="BuildId">Its GNU build-id.</param>
/// <param name="Name">File name.</param>
/// <param name="Machine">ELF <c>e_machine</c>.</param>
/// <param name="FileSize">Bytes.</param>
/// <param name="StoredSize">Bytes of its parts, packed.</param>
/// <param name="Sites">Sites seen so far.</param>
/// <param name="Annotated">Sites that its records name, by target; "" for class 1.</param>
public sealed record ImageRow(
    BuildId BuildId, string Name, int Machine, long FileSize, long StoredSize, long Sites, IReadOnlyDictionary<string, long> Annotated);

/// <summary>Tables <c>builds</c>, <c>build_images</c>, <c>images</c> and <c>image_parts</c>.</summary>
public sealed class BuildStore(NpgsqlDataSource database)
{
    /// <summary>Registers a build; the same images in the same series are the build that exists.</summary>
    /// <returns>Its number, and whether it existed.</returns>
    /// <exception cref="MissingPartException">An image names a part that is not stored.</exception>
    /// <exception cref="InvalidDataException">An image's records cannot be read.</exception>
    public async Task<(long Build, bool Existed)> AddAsync(
        string series, string label, IReadOnlyList<NewImage> images, IReadOnlyList<SecondPassRow> report, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(cancel);
        foreach (NewImage image in images.OrderBy(i => i.BuildId))
            await AddImageAsync(connection, image, cancel);

        byte[] fingerprint = Fingerprint(images);
        long? existing = await connection.QuerySingleOrDefaultAsync<long?>(new CommandDefinition(
            "SELECT build FROM reheat_data.builds WHERE series = @series AND images_sha256 = @fingerprint",
            new { series, fingerprint }, transaction, cancellationToken: cancel));
        if (existing is null)
        {
            existing = await connection.QuerySingleAsync<long>(new CommandDefinition(
                "INSERT INTO reheat_data.builds (series, label, images_sha256) VALUES (@series, @label, @fingerprint) RETURNING build",
                new { series, label, fingerprint }, transaction, cancellationToken: cancel));
            await connection.ExecuteAsync(new CommandDefinition(
                """
                INSERT INTO reheat_data.build_images (build, build_id, ordinal)
                SELECT @build, build_id, ordinal FROM unnest(@ids) WITH ORDINALITY AS i (build_id, ordinal)
                """, new { build = existing.Value, ids = images.Select(i => i.BuildId.ToBytes()).ToArray() }, transaction, cancellationToken: cancel));
            await SecondPassStore.AddAsync(connection, existing.Value, report, cancel);
            await Lists.JobStore.QueueAsync(connection, Lists.JobKind.Annotate, existing.Value, TimeSpan.Zero, cancel);
            await transaction.CommitAsync(cancel);
            return (existing.Value, false);
        }
        await SecondPassStore.AddAsync(connection, existing.Value, report, cancel);
        // The parts may be richer than before: a stripped upload must not block the good one.
        await Lists.JobStore.QueueAsync(connection, Lists.JobKind.Annotate, existing.Value, TimeSpan.Zero, cancel);
        await transaction.CommitAsync(cancel);
        return (existing.Value, true);
    }

    private static async Task AddImageAsync(NpgsqlConnection connection, NewImage image, CancellationToken cancel)
    {
        byte[] id = image.BuildId.ToBytes();
        byte[][] hashes = [.. image.Parts.Select(p => p.Sha256)];
        byte[]? missing = await connection.QueryFirstOrDefaultAsync<byte[]>(new CommandDefinition(
            "SELECT h FROM unnest(@hashes) AS h WHERE NOT EXISTS (SELECT FROM reheat_data.parts WHERE sha256 = h) LIMIT 1",
            new { hashes }, cancellationToken: cancel));
        if (missing is not null)
            throw new MissingPartException(image.Name, Convert.ToHexStringLower(missing));

        await connection.ExecuteAsync(new CommandDefinition(
            """
            INSERT INTO reheat_data.images (build_id, name, machine, file_size) VALUES (@id, @Name, @Machine, @FileSize)
            ON CONFLICT (build_id) DO NOTHING
            """, new { id, image.Name, Machine = (short)image.Machine, image.FileSize }, cancellationToken: cancel));
        // An upload with fewer parts than are stored is a stripped copy of the same image: keep the richer one.
        await connection.ExecuteAsync(new CommandDefinition(
            """
            WITH had AS (SELECT count(*) AS n FROM reheat_data.image_parts WHERE build_id = @id),
            gone AS (DELETE FROM reheat_data.image_parts p USING had
                     WHERE p.build_id = @id AND had.n <= @count AND NOT EXISTS (
                        SELECT FROM unnest(@kinds, @indexes) AS u (kind, part_index) WHERE u.kind = p.kind AND u.part_index = p.part_index))
            INSERT INTO reheat_data.image_parts (build_id, kind, part_index, sha256)
            SELECT @id, u.kind, u.part_index, u.sha256
            FROM unnest(@kinds, @indexes, @hashes) AS u (kind, part_index, sha256), had
            WHERE had.n <= @count
            ON CONFLICT (build_id, kind, part_index) DO UPDATE SET sha256 = excluded.sha256
            """,
            new
            {
                id,
                count = image.Parts.Count,
                kinds = image.Parts.Select(p => p.Kind).ToArray(),
                indexes = image.Parts.Select(p => p.Index).ToArray(),
                hashes,
            }, cancellationToken: cancel));
        if (image.Parts.FirstOrDefault(p => p.Kind == PartReference.Annotated) is { } records)
            await AddRecordsAsync(connection, image, records, cancel);
    }

    private static async Task AddRecordsAsync(NpgsqlConnection connection, NewImage image, PartReference part, CancellationToken cancel)
    {
        // A poorer upload than the one that is stored was not taken: neither are its records.
        bool taken = await connection.QuerySingleAsync<bool>(new CommandDefinition(
            "SELECT EXISTS (SELECT FROM reheat_data.image_parts WHERE build_id = @id AND kind = @Kind AND part_index = @Index AND sha256 = @Sha256)",
            new { id = image.BuildId.ToBytes(), part.Kind, part.Index, part.Sha256 }, cancellationToken: cancel));
        if (!taken)
            return;
        if (!AnnotatedSites.TryFromBytes(await PartStore.ReadAsync(connection, part.Sha256, cancel), out AnnotatedSites? sites))
            throw new InvalidDataException($"image {image.Name}: its annotation records cannot be read — is the command line of another version than the collector?");
        await AnnotatedSiteStore.ReplaceAsync(connection, image.BuildId, sites, cancel);
    }

    private static byte[] Fingerprint(IReadOnlyList<NewImage> images)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (NewImage image in images.OrderBy(i => i.BuildId))
        {
            byte[] id = image.BuildId.ToBytes();
            hash.AppendData([(byte)id.Length]);
            hash.AppendData(id);
        }
        return hash.GetHashAndReset();
    }

    /// <summary>Builds, newest first; <paramref name="series"/> empty for all.</summary>
    public Task<IReadOnlyList<BuildRow>> ListAsync(string series, int limit, CancellationToken cancel) =>
        ReadAsync("WHERE @series = '' OR series = @series", new { series, limit }, cancel);

    /// <summary>Finds a build by number, else by an image's build-id (hex prefix), else the newest of the series, else the newest of all.</summary>
    public async Task<BuildRow?> FindAsync(BuildSelection selection, CancellationToken cancel)
    {
        string where = selection switch
        {
            { Build: > 0 } => "WHERE build = @Build",
            { BuildIdPrefix.Length: > 0 } =>
                "WHERE build IN (SELECT build FROM reheat_data.build_images WHERE encode(build_id, 'hex') LIKE @BuildIdPrefix || '%')",
            { Series.Length: > 0 } => "WHERE series = @Series",
            _ => "",
        };
        IReadOnlyList<BuildRow> found = await ReadAsync(where, new { selection.Build, selection.BuildIdPrefix, selection.Series, limit = 1 }, cancel);
        return found.Count > 0 ? found[0] : null;
    }

    /// <summary>The file names of images that are registered.</summary>
    public async Task<IReadOnlyDictionary<BuildId, string>> NamesAsync(IReadOnlyCollection<BuildId> images, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        IEnumerable<(byte[] Id, string Name)> rows = await connection.QueryAsync<(byte[], string)>(new CommandDefinition(
            "SELECT build_id, name FROM reheat_data.images WHERE build_id = ANY(@ids)", new { ids = images.Select(i => i.ToBytes()).ToArray() }, cancellationToken: cancel));
        return rows.ToDictionary(r => new BuildId(r.Id), r => r.Name);
    }

    /// <summary>The references to an image's parts.</summary>
    public async Task<IReadOnlyList<PartReference>> PartsOfAsync(BuildId image, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        IEnumerable<(short, int, byte[])> rows = await connection.QueryAsync<(short, int, byte[])>(new CommandDefinition(
            "SELECT kind, part_index, sha256 FROM reheat_data.image_parts WHERE build_id = @id ORDER BY kind, part_index",
            new { id = image.ToBytes() }, cancellationToken: cancel));
        return [.. rows.Select(r => new PartReference(r.Item1, r.Item2, r.Item3))];
    }

    private async Task<IReadOnlyList<BuildRow>> ReadAsync(string where, object arguments, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        (long Build, string Series, string Label, DateTime At)[] builds = [.. await connection.QueryAsync<(long, string, string, DateTime)>(
            new CommandDefinition(
                $"SELECT build, series, label, registered_at FROM reheat_data.builds {where} ORDER BY build DESC LIMIT @limit",
                arguments, cancellationToken: cancel))];
        var annotated = (await connection.QueryAsync<(byte[] Id, string Target, long Count)>(new CommandDefinition(
            """
            SELECT a.build_id, a.target, count(*) FROM reheat_data.annotated_sites a
            WHERE a.build_id IN (SELECT build_id FROM reheat_data.build_images WHERE build = ANY(@builds)) GROUP BY a.build_id, a.target
            """, new { builds = builds.Select(b => b.Build).ToArray() }, cancellationToken: cancel)))
            .ToLookup(r => new BuildId(r.Id));
        ILookup<long, ImageRow> images = (await connection.QueryAsync<(long Build, byte[] Id, string Name, short Machine, long FileSize, long Stored, long Sites)>(
            new CommandDefinition(
                """
                SELECT bi.build, i.build_id, i.name, i.machine, i.file_size,
                       (SELECT coalesce(sum(length(p.packed)), 0) FROM reheat_data.image_parts ip JOIN reheat_data.parts p USING (sha256)
                        WHERE ip.build_id = i.build_id),
                       (SELECT count(*) FROM reheat_data.sites s WHERE s.build_id = i.build_id)
                FROM reheat_data.build_images bi JOIN reheat_data.images i USING (build_id)
                WHERE bi.build = ANY(@builds) ORDER BY bi.build, bi.ordinal
                """, new { builds = builds.Select(b => b.Build).ToArray() }, cancellationToken: cancel)))
            .ToLookup(r => r.Build, r => new ImageRow(new BuildId(r.Id), r.Name, r.Machine, r.FileSize, r.Stored, r.Sites,
                new SortedDictionary<string, long>(annotated[new BuildId(r.Id)].ToDictionary(a => a.Target, a => a.Count), StringComparer.Ordinal)));
        return [.. builds.Select(b => new BuildRow(b.Build, b.Series, b.Label, b.At, [.. images[b.Build]]))];
    }
}

/// <summary>Which build is meant; the first field that is set decides. All empty: the newest.</summary>
public readonly record struct BuildSelection(long Build = 0, string BuildIdPrefix = "", string Series = "");

/// <summary>An image names a part that is not stored.</summary>
public sealed class MissingPartException(string image, string sha256)
    : Exception($"image {image} names part {sha256[..Math.Min(12, sha256.Length)]}…, which was not uploaded — send it before the image, or ask MissingParts first");
