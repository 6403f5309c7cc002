using Dapper;
using Npgsql;

namespace Reheat.Store.Coverage;

/// <summary>A row of the view <c>reheat.coverage</c>; operation, target and coverage are null where nothing was observed.</summary>
public sealed record CoverageRow(string Image, string? Operation, string? Target, long Sites, long Traps, long Hits, double? Coverage, long Annotated, long HitsWithoutRecord);

/// <summary>A row of the view <c>reheat.unregistered_images</c>.</summary>
public sealed record UnregisteredImageRow(string BuildId, long Sites, long Traps);

/// <summary>A row of the view <c>reheat.sites</c>.</summary>
public sealed class SiteRow
{
    /// <summary>Image name.</summary>
    public string Image { get; init; } = "";

    /// <summary>Image address, unsigned in two's complement.</summary>
    public long Address { get; init; }

    /// <summary>Function, null before the recompiler has looked.</summary>
    public string? Function { get; init; }

    /// <summary>Bytes from the function's start.</summary>
    public long? FunctionOffset { get; init; }

    /// <summary>Compile unit.</summary>
    public string? Unit { get; init; }

    /// <summary><c>file:line</c>.</summary>
    public string? Source { get; init; }

    /// <summary>The instruction.</summary>
    public string? Instruction { get; init; }

    /// <summary>Operation name.</summary>
    public string Operation { get; init; } = "";

    /// <summary>Target name.</summary>
    public string Target { get; init; } = "";

    /// <summary>Bytes of one element.</summary>
    public short Size { get; init; }

    /// <summary>Executions that trapped.</summary>
    public long Traps { get; init; }

    /// <summary>Executions that did not.</summary>
    public long Hits { get; init; }

    /// <summary>Elements of both.</summary>
    public long Elements { get; init; }

    /// <summary>Estimated distinct wedges.</summary>
    public int Wedges { get; init; }

    /// <summary><c>annotated</c>, <c>listed</c>, <c>refused: …</c>, <c>lost: …</c> or <c>pending</c>.</summary>
    public string State { get; init; } = "";

    /// <summary>Why it still traps; null if it does not.</summary>
    public string? Reason { get; init; }

    /// <summary>Whether a TDX guest can decode it; null if it is no device access or not known.</summary>
    public bool? TdxDecodable { get; init; }

    /// <summary>Whether an SEV-ES guest can decode it; null if it is no device access or not known.</summary>
    public bool? SevDecodable { get; init; }
}

/// <summary>A row of the view <c>reheat.accounting</c>.</summary>
public sealed record AccountingRow(string Wedge, long Epoch, long Recorded, long Stored, long Dropped, long OutsideImages, long Pending,
    long HitsRecorded, long HitsStored, long HitsDropped, long HitsPending, long OutsideRecorded);

/// <summary>Rows of the view <c>reheat.accounting</c>, added up.</summary>
public sealed record AccountingSums(long Wedges, long Epochs, long Recorded, long Stored, long Dropped, long OutsideImages, long Pending, long OutsideRecorded);

/// <summary>Rows of the view <c>reheat.drops</c> of one reason, added up.</summary>
public sealed record DropSums(string Reason, long Traps, long Hits, long Records);

/// <summary>Reads the views, and nothing but the views, as a dashboard does.</summary>
public sealed class CoverageStore(NpgsqlDataSource database)
{
    /// <summary>Coverage of a build by image, operation and target, most executions first.</summary>
    public async Task<IReadOnlyList<CoverageRow>> CoverageAsync(long build, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        return [.. await connection.QueryAsync<CoverageRow>(new CommandDefinition(
            """
            SELECT image, operation, target, sites, traps, hits, coverage, annotated, hits_without_record AS hitswithoutrecord FROM reheat.coverage
            WHERE build = @build ORDER BY traps::float8 + hits DESC, image, operation, target
            """, new { build }, cancellationToken: cancel))];
    }

    /// <summary>Distinct instructions of a build that were observed.</summary>
    public async Task<long> DistinctSitesAsync(long build, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        return await connection.QuerySingleAsync<long>(new CommandDefinition(
            "SELECT count(DISTINCT (build_id, address)) FROM reheat.sites WHERE build = @build", new { build }, cancellationToken: cancel));
    }

    /// <summary>Sites of a build, hottest first: the residual ones, or all.</summary>
    /// <param name="build">The build.</param>
    /// <param name="all">Also sites without residual traps.</param>
    /// <param name="target">Only this target; empty for all.</param>
    /// <param name="perTarget">At most so many of each target; 0 for no such limit.</param>
    /// <param name="limit">Rows at most.</param>
    /// <param name="cancel">Cancels.</param>
    /// <returns>The first rows, how many rows there are of that target in all, and how many distinct instructions they name.</returns>
    public async Task<(IReadOnlyList<SiteRow> Rows, long Total, long Distinct)> SitesAsync(
        long build, bool all, string target, int perTarget, int limit, CancellationToken cancel)
    {
        string view = all ? "reheat.sites" : "reheat.residual_sites";
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        IEnumerable<SiteRow> rows = await connection.QueryAsync<SiteRow>(new CommandDefinition(
            $"""
            SELECT image, address, function, function_offset AS functionoffset, unit, source, instruction, operation, target, size,
                   traps, hits, elements, wedges, state, reason, tdx_decodable AS tdxdecodable, sev_decodable AS sevdecodable
            FROM (SELECT *, row_number() OVER (PARTITION BY target ORDER BY traps DESC, hits DESC, image, address, operation, size) AS place
                  FROM {view} WHERE build = @build AND (@target = '' OR target = @target)) s
            WHERE @perTarget = 0 OR place <= @perTarget
            ORDER BY traps DESC, hits DESC, image, address, operation, target, size LIMIT @limit
            """, new { build, target, perTarget, limit }, cancellationToken: cancel));
        (long total, long distinct) = await connection.QuerySingleAsync<(long, long)>(new CommandDefinition(
            $"SELECT count(*), count(DISTINCT (build_id, address)) FROM {view} WHERE build = @build AND (@target = '' OR target = @target)", new { build, target }, cancellationToken: cancel));
        return ([.. rows], total, distinct);
    }

    /// <summary>Images that traces came from and that no build has, by traps; at most <paramref name="limit"/>.</summary>
    public async Task<IReadOnlyList<UnregisteredImageRow>> UnregisteredAsync(int limit, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        return [.. await connection.QueryAsync<UnregisteredImageRow>(new CommandDefinition(
            "SELECT build_id AS buildid, sites, traps FROM reheat.unregistered_images ORDER BY traps DESC, build_id LIMIT @limit",
            new { limit }, cancellationToken: cancel))];
    }

    /// <summary>The accounts of one wedge, or of all if <paramref name="wedge"/> is empty, added up.</summary>
    public async Task<AccountingSums> AccountingSumsAsync(string wedge, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        return await connection.QuerySingleAsync<AccountingSums>(new CommandDefinition(
            """
            SELECT count(DISTINCT wedge) AS wedges, count(*) AS epochs,
                   coalesce(reheat.saturated(sum(recorded)), 0) AS recorded, coalesce(reheat.saturated(sum(stored)), 0) AS stored,
                   coalesce(reheat.saturated(sum(dropped)), 0) AS dropped, coalesce(reheat.saturated(sum(outside_images)), 0) AS outsideimages,
                   coalesce(reheat.saturated(sum(pending)), 0) AS pending, coalesce(reheat.saturated(sum(outside_recorded)), 0) AS outsiderecorded
            FROM reheat.accounting WHERE @wedge = '' OR wedge = @wedge
            """, new { wedge }, cancellationToken: cancel));
    }

    /// <summary>What one wedge lost, or all if <paramref name="wedge"/> is empty, by reason, most first. Code outside every image is no loss.</summary>
    public async Task<IReadOnlyList<DropSums>> DropsAsync(string wedge, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        return [.. await connection.QueryAsync<DropSums>(new CommandDefinition(
            """
            SELECT reason, reheat.saturated(sum(traps)) AS traps, reheat.saturated(sum(hits)) AS hits, reheat.saturated(sum(records)) AS records
            FROM reheat.drops WHERE reason <> 'outside-images' AND (@wedge = '' OR wedge = @wedge)
            GROUP BY reason ORDER BY records DESC, reason
            """, new { wedge }, cancellationToken: cancel))];
    }

    /// <summary>The accounts of one wedge, or of all if <paramref name="wedge"/> is empty, newest first.</summary>
    public async Task<IReadOnlyList<AccountingRow>> AccountingAsync(string wedge, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        return [.. await connection.QueryAsync<AccountingRow>(new CommandDefinition(
            """
            SELECT wedge, epoch, recorded, stored, dropped, outside_images AS outsideimages, pending,
                   hits_recorded AS hitsrecorded, hits_stored AS hitsstored, hits_dropped AS hitsdropped, hits_pending AS hitspending, outside_recorded AS outsiderecorded FROM reheat.accounting
            WHERE @wedge = '' OR wedge = @wedge ORDER BY epoch_began DESC, wedge
            """, new { wedge }, cancellationToken: cancel))];
    }
}
