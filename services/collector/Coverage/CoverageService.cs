using Grpc.Core;
using Reheat.Collector.Builds;
using Reheat.Store.Builds;
using Reheat.Store.Coverage;
using Reheat.V1;

namespace Reheat.Collector.Coverage;

/// <summary>The service <c>reheat.v1.Coverage</c>: rows of the views that dashboards read.</summary>
internal sealed class CoverageService(BuildStore builds, CoverageStore coverage) : V1.Coverage.CoverageBase
{
    private const int DefaultLimit = 50;
    private const int MaxLimit = 10_000;
    private const int MaxUnregistered = 10;

    /// <inheritdoc/>
    public override async Task<CoverageResponse> GetCoverage(BuildSelector request, ServerCallContext context)
    {
        BuildRow build = await BuildFinder.FindAsync(builds, request, context.CancellationToken);
        var response = new CoverageResponse { Build = build.Build, Series = build.Series };
        foreach (Store.Coverage.CoverageRow row in await coverage.CoverageAsync(build.Build, context.CancellationToken))
        {
            var wire = new V1.CoverageRow
            {
                Image = row.Image,
                Operation = row.Operation ?? "",
                Target = row.Target ?? "",
                Sites = (ulong)row.Sites,
                Traps = (ulong)row.Traps,
                Hits = (ulong)row.Hits,
                Annotated = (ulong)row.Annotated,
                HitsWithoutRecord = (ulong)row.HitsWithoutRecord,
            };
            if (row.Coverage is { } fraction)
                wire.Coverage = fraction;
            response.Rows.Add(wire);
        }
        if (response.Rows.All(r => Math.Max(Math.Max(r.Traps, r.Hits), r.HitsWithoutRecord) == 0))
            response.Unregistered.AddRange(await UnregisteredAsync(context.CancellationToken));
        response.DistinctSites = (ulong)await coverage.DistinctSitesAsync(build.Build, context.CancellationToken);
        return response;
    }

    /// <inheritdoc/>
    public override async Task<ListSitesResponse> ListSites(ListSitesRequest request, ServerCallContext context)
    {
        BuildRow build = await BuildFinder.FindAsync(builds, request.Build, context.CancellationToken);
        int limit = request.Limit == 0 ? DefaultLimit : (int)Math.Min(request.Limit, MaxLimit);
        (IReadOnlyList<SiteRow> rows, long total, long distinct) = await coverage.SitesAsync(
            build.Build, request.All, request.Target, (int)Math.Min(request.PerTarget, MaxLimit), limit, context.CancellationToken);
        var response = new ListSitesResponse { Build = build.Build, Series = build.Series, Total = (ulong)total, DistinctSites = (ulong)distinct };
        response.Sites.AddRange(rows.Select(SiteOf));
        if (total == 0)
            response.Unregistered.AddRange(await UnregisteredAsync(context.CancellationToken));
        return response;
    }

    private static Site SiteOf(SiteRow r)
    {
        var site = new Site
        {
            Image = r.Image,
            Address = unchecked((ulong)r.Address),
            Function = r.Function ?? "",
            Offset = (ulong)(r.FunctionOffset ?? 0),
            Unit = r.Unit ?? "",
            Source = r.Source ?? "",
            Instruction = r.Instruction ?? "",
            Operation = r.Operation,
            Target = r.Target,
            Size = (uint)r.Size,
            Traps = (ulong)r.Traps,
            Hits = (ulong)r.Hits,
            Elements = (ulong)r.Elements,
            Wedges = (uint)r.Wedges,
            State = r.State,
            Reason = r.Reason ?? "",
        };
        if (r.TdxDecodable is { } tdx)
            site.TdxDecodable = tdx;
        if (r.SevDecodable is { } sev)
            site.SevDecodable = sev;
        return site;
    }

    private async Task<IEnumerable<UnregisteredImage>> UnregisteredAsync(CancellationToken cancel) =>
        (await coverage.UnregisteredAsync(MaxUnregistered, cancel))
        .Select(r => new UnregisteredImage { BuildId = r.BuildId, Sites = (ulong)r.Sites, Traps = (ulong)r.Traps });

    /// <inheritdoc/>
    public override async Task<AccountingResponse> GetAccounting(AccountingRequest request, ServerCallContext context)
    {
        var response = new AccountingResponse();
        if (request.Summary)
        {
            AccountingSums sums = await coverage.AccountingSumsAsync(request.Wedge, context.CancellationToken);
            response.Summary = new AccountingSummary
            {
                Wedges = (ulong)sums.Wedges,
                Epochs = (ulong)sums.Epochs,
                Recorded = (ulong)sums.Recorded,
                Stored = (ulong)sums.Stored,
                Dropped = (ulong)sums.Dropped,
                OutsideImages = (ulong)sums.OutsideImages,
                Pending = sums.Pending,
                OutsideRecorded = (ulong)sums.OutsideRecorded,
            };
            response.Summary.Drops.AddRange((await coverage.DropsAsync(request.Wedge, context.CancellationToken)).Select(d =>
                new DropSum { Reason = d.Reason, Traps = (ulong)d.Traps, Hits = (ulong)d.Hits, Records = (ulong)d.Records }));
            return response;
        }
        response.Rows.AddRange((await coverage.AccountingAsync(request.Wedge, context.CancellationToken)).Select(r => new V1.AccountingRow
        {
            Wedge = r.Wedge,
            Epoch = unchecked((ulong)r.Epoch),
            Recorded = (ulong)r.Recorded,
            Stored = (ulong)r.Stored,
            Dropped = (ulong)r.Dropped,
            OutsideImages = (ulong)r.OutsideImages,
            Pending = r.Pending,
            HitsRecorded = (ulong)r.HitsRecorded,
            HitsStored = (ulong)r.HitsStored,
            HitsDropped = (ulong)r.HitsDropped,
            HitsPending = r.HitsPending,
            OutsideRecorded = (ulong)r.OutsideRecorded,
        }));
        return response;
    }
}
