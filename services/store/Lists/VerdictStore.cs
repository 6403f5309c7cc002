using Dapper;
using Npgsql;
using Reheat.Core;
using Reheat.Store.Ingest;

namespace Reheat.Store.Lists;

/// <summary>A site's counts as a list is made from them.</summary>
/// <param name="Key">What is counted (outcome is not told apart here).</param>
/// <param name="Image">The image.</param>
/// <param name="Address">The address in it.</param>
/// <param name="Target">The target's name.</param>
/// <param name="Code">Bytes as a wedge saw them, if told.</param>
/// <param name="Traps">Executions that trapped.</param>
/// <param name="Hits">Executions that did not.</param>
/// <param name="Elements">Elements of both.</param>
/// <param name="Wedges">Estimated distinct wedges.</param>
public sealed record ObservedSite(
    CountKey Key, BuildId Image, ImageAddress Address, string Target, byte[]? Code, long Traps, long Hits, long Elements, int Wedges);

/// <summary>What the recompiler found out about an observed site.</summary>
/// <param name="Key">What was counted.</param>
/// <param name="Function">Name of the function; empty if the address lies in none.</param>
/// <param name="FunctionOffset">Bytes from its start.</param>
/// <param name="Unit">Compile unit.</param>
/// <param name="Source"><c>file:line</c>, or empty.</param>
/// <param name="Instruction">The instruction, as a person reads it.</param>
/// <param name="Ordinal">Its ordinal in the function, as lists count; -1 if it has none.</param>
/// <param name="Refusal">Name of the reason why the list does not annotate it, or null if it does.</param>
/// <param name="Detail">More on the reason.</param>
/// <param name="Decoders">Which guests' decoders of device accesses take the instruction; null if there is no instruction.</param>
/// <param name="DoubtedCode">The bytes that a wedge told, if it is for them that the site is refused: they may be wrong, and are asked for again.</param>
public sealed record SiteVerdict(
    CountKey Key, string Function, long FunctionOffset, string Unit, string Source, string Instruction, int Ordinal, string? Refusal, string Detail,
    MmioDecoders? Decoders = null, byte[]? DoubtedCode = null);

/// <summary>Whether confidential guests can decode an instruction that accesses a device.</summary>
/// <param name="Tdx">By the #VE handler of a TDX guest.</param>
/// <param name="Sev">By the #VC handler of an SEV-ES or SEV-SNP guest.</param>
public readonly record struct MmioDecoders(bool Tdx, bool Sev);

/// <summary>Tables <c>resolutions</c> and <c>verdicts</c>, and the question they answer.</summary>
public sealed class VerdictStore(NpgsqlDataSource database)
{
    /// <summary>Everything observed in the images of a build, in order of address and key.</summary>
    public async Task<IReadOnlyList<ObservedSite>> ObservedAsync(long build, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        IEnumerable<ObservedRow> rows = await connection.QueryAsync<ObservedRow>(new CommandDefinition(
            """
            SELECT s.site, s.build_id AS buildid, s.address, s.code, t.operation, t.size, t.target, g.name AS targetname,
                   coalesce(reheat.saturated(sum(t.executions) FILTER (WHERE t.outcome = 1)), 0) AS traps,
                   coalesce(reheat.saturated(sum(t.executions) FILTER (WHERE t.outcome = 2)), 0) AS hits,
                   reheat.saturated(sum(t.elements)) AS elements,
                   reheat.distinct_wedges(bit_or(t.wedges)) AS wedges
            FROM reheat_data.build_images bi
            JOIN reheat_data.sites s USING (build_id)
            JOIN reheat_data.site_totals t USING (site)
            JOIN reheat_data.targets g USING (target)
            WHERE bi.build = @build
            GROUP BY s.site, s.build_id, s.address, s.code, t.operation, t.size, t.target, g.name
            ORDER BY s.build_id, s.address, t.operation, t.size, g.name
            """, new { build }, cancellationToken: cancel));
        return [.. rows.Select(r => new ObservedSite(
            new CountKey(new SiteId(r.Site), (Operation)r.Operation, (byte)r.Size, r.Target, default),
            new BuildId(r.BuildId), new ImageAddress(unchecked((ulong)r.Address)), r.TargetName, r.Code, r.Traps, r.Hits, r.Elements, r.Wedges))];
    }

    /// <summary>Stores the verdicts of one build's sites over those of earlier lists, in key order.</summary>
    internal static async Task ReplaceAsync(NpgsqlConnection connection, IReadOnlyList<SiteVerdict> verdicts, CancellationToken cancel)
    {
        if (verdicts.Count == 0)
            return;
        SiteVerdict[] sites = [.. verdicts.DistinctBy(v => v.Key.Site)];
        await connection.ExecuteAsync(new CommandDefinition(
            """
            INSERT INTO reheat_data.resolutions AS r (site, function, function_offset, unit, source, instruction, ordinal, tdx_decodable, sev_decodable)
            SELECT * FROM unnest(@ids, @functions, @offsets, @units, @sources, @instructions, @ordinals, @tdx, @sev)
                AS u (site, function, function_offset, unit, source, instruction, ordinal, tdx_decodable, sev_decodable)
            ORDER BY site
            ON CONFLICT (site) DO UPDATE
            SET function = excluded.function, function_offset = excluded.function_offset, unit = excluded.unit,
                source = excluded.source, instruction = excluded.instruction, ordinal = excluded.ordinal,
                tdx_decodable = excluded.tdx_decodable, sev_decodable = excluded.sev_decodable
            WHERE (r.function, r.function_offset, r.unit, r.source, r.instruction, r.ordinal, r.tdx_decodable, r.sev_decodable)
                IS DISTINCT FROM (excluded.function, excluded.function_offset, excluded.unit, excluded.source, excluded.instruction, excluded.ordinal,
                    excluded.tdx_decodable, excluded.sev_decodable)
            """,
            new
            {
                ids = sites.Select(s => s.Key.Site.Value).ToArray(),
                functions = sites.Select(s => s.Function).ToArray(),
                offsets = sites.Select(s => s.FunctionOffset).ToArray(),
                units = sites.Select(s => s.Unit).ToArray(),
                sources = sites.Select(s => s.Source).ToArray(),
                instructions = sites.Select(s => s.Instruction).ToArray(),
                ordinals = sites.Select(s => s.Ordinal).ToArray(),
                tdx = sites.Select(s => s.Decoders?.Tdx).ToArray(),
                sev = sites.Select(s => s.Decoders?.Sev).ToArray(),
            }, cancellationToken: cancel));
        await connection.ExecuteAsync(new CommandDefinition(
            """
            INSERT INTO reheat_data.verdicts AS v (site, operation, size, target, refusal, detail)
            SELECT * FROM unnest(@ids, @operations, @sizes, @targets, @refusals, @details) AS u (site, operation, size, target, refusal, detail)
            ORDER BY site, operation, size, target
            ON CONFLICT (site, operation, size, target) DO UPDATE SET refusal = excluded.refusal, detail = excluded.detail
            WHERE (v.refusal, v.detail) IS DISTINCT FROM (excluded.refusal, excluded.detail)
            """,
            new
            {
                ids = verdicts.Select(v => v.Key.Site.Value).ToArray(),
                operations = verdicts.Select(v => (short)v.Key.Operation).ToArray(),
                sizes = verdicts.Select(v => (short)v.Key.Size).ToArray(),
                targets = verdicts.Select(v => v.Key.Target).ToArray(),
                refusals = verdicts.Select(v => v.Refusal).ToArray(),
                details = verdicts.Select(v => v.Detail).ToArray(),
            }, cancellationToken: cancel));
        await SiteStore.DoubtCodeAsync(connection, [.. verdicts.Where(v => v.DoubtedCode is not null).Select(v => (v.Key.Site, v.DoubtedCode!))], cancel);
    }

    /// <summary>
    /// Builds with a site that was refused for want of traps or wedges and has enough by now. Counts that grow queue no job (they would
    /// at every batch), so workers ask this now and then; it reads only the sites that wait.
    /// </summary>
    public async Task<IReadOnlyList<long>> QuorumMetAsync(long minimumTraps, int minimumWedges, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        return [.. await connection.QueryAsync<long>(new CommandDefinition(
            """
            SELECT DISTINCT bi.build
            FROM reheat_data.verdicts v
            JOIN reheat_data.sites s USING (site)
            JOIN reheat_data.build_images bi USING (build_id)
            CROSS JOIN LATERAL (
                SELECT sum(t.executions) AS executions, bit_or(t.wedges) AS wedges FROM reheat_data.site_totals t
                WHERE t.site = v.site AND t.operation = v.operation AND t.size = v.size AND t.target = v.target) seen
            WHERE v.refusal = 'quorum-not-met' AND seen.executions >= @minimumTraps AND reheat.distinct_wedges(seen.wedges) >= @minimumWedges
            ORDER BY bi.build
            """, new { minimumTraps, minimumWedges }, cancellationToken: cancel))];
    }

    private sealed class ObservedRow
    {
        public long Site { get; init; }
        public byte[] BuildId { get; init; } = [];
        public long Address { get; init; }
        public byte[]? Code { get; init; }
        public short Operation { get; init; }
        public short Size { get; init; }
        public short Target { get; init; }
        public string TargetName { get; init; } = "";
        public long Traps { get; init; }
        public long Hits { get; init; }
        public long Elements { get; init; }
        public int Wedges { get; init; }
    }
}
