using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Reheat.Collector.Builds;
using Reheat.Core.Annotations;
using Reheat.Store.Builds;
using Reheat.Store.Lists;
using Reheat.V1;
using AnnotationList = Reheat.V1.AnnotationList;

namespace Reheat.Collector.Annotations;

/// <summary>The service <c>reheat.v1.Annotations</c>.</summary>
internal sealed class AnnotationsService(
    BuildStore builds, AnnotationListStore lists, ByHandStore byHand, JobStore jobs, JobWatch watch, CollectorOptions options) : V1.Annotations.AnnotationsBase
{
    /// <inheritdoc/>
    public override async Task<AnnotationList> Pull(PullRequest request, ServerCallContext context)
    {
        CancellationToken cancel = context.CancellationToken;
        BuildRow build = await BuildFinder.FindAsync(builds, request.Build, cancel);
        if (request.Fresh)
            await WaitForFreshAsync(build.Build, cancel);
        AnnotationListRow row = await lists.FindAsync(build.Build, request.Version, cancel)
            ?? throw new RpcException(new Status(StatusCode.NotFound, request.Version > 0
                ? $"build {build.Build} has no list of version {request.Version} — `reheat annotations list` shows what there is"
                : $"build {build.Build} has no list yet — is a recompiler running? `pull --wait` waits for one"));
        return ToWire(row, build.Series);
    }

    /// <inheritdoc/>
    public override async Task<ListAnnotationsResponse> List(BuildSelector request, ServerCallContext context)
    {
        BuildRow build = await BuildFinder.FindAsync(builds, request, context.CancellationToken);
        var response = new ListAnnotationsResponse();
        response.Lists.AddRange((await lists.ListAsync(build.Build, context.CancellationToken)).Select(row => ToWire(row, build.Series)));
        return response;
    }

    /// <inheritdoc/>
    public override async Task<SetByHandResponse> SetByHand(SetByHandRequest request, ServerCallContext context)
    {
        if (request.Series.Length is 0 or > 100)
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"series \"{request.Series}\": expected 1 to 100 characters"));
        var response = new SetByHandResponse();
        if (request.Body.Length > 0)
        {
            AnnotationListResult read = AnnotationListReader.Read(request.Body, "by-hand list");
            if (!read.IsWhole || !read.List.ByHand)
            {
                throw new RpcException(new Status(StatusCode.InvalidArgument, read.IsWhole
                    ? "not marked as written by hand: expected a line \"by-hand\" behind the first"
                    : string.Join(Environment.NewLine, read.Diagnostics)));
            }
            Standing[] standings = [.. read.List.Units.SelectMany(u => u.Functions).SelectMany(f => f.Sites).Select(s => s.Standing)];
            (response.Allowed, response.Denied) = (standings.Count(s => s != Standing.Deny), standings.Count(s => s == Standing.Deny));
        }
        await byHand.SetAsync(request.Series, request.Body, context.CancellationToken);
        return response;
    }

    /// <inheritdoc/>
    public override async Task<GetByHandResponse> GetByHand(GetByHandRequest request, ServerCallContext context) =>
        new() { Body = await byHand.FindAsync(request.Series, context.CancellationToken) ?? "" };

    private async Task WaitForFreshAsync(long build, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(options.PullTimeout);
        try
        {
            // What is under way for the builds before goes into this one's list.
            foreach (long earlier in await jobs.OpenBeforeAsync(JobKind.Annotate, build, limit.Token))
                await watch.WaitAsync(earlier, limit.Token);
            long job = await jobs.QueueAsync(JobKind.Annotate, build, limit.Token);
            JobState state = await watch.WaitAsync(job, limit.Token);
            if (state.State == "failed")
                throw new RpcException(new Status(StatusCode.Internal, $"the list of build {build} could not be made: {state.Error}"));
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            throw new RpcException(new Status(StatusCode.DeadlineExceeded,
                $"no recompiler made the list of build {build} within {options.PullTimeout.TotalSeconds:0} s — is one running?"));
        }
    }

    private static AnnotationList ToWire(AnnotationListRow row, string series) => new()
    {
        Build = row.Build,
        Series = series,
        Version = row.Version,
        CreatedAt = Timestamp.FromDateTime(DateTime.SpecifyKind(row.CreatedAt, DateTimeKind.Utc)),
        BodySha256 = ByteString.CopyFrom(row.BodySha256),
        Annotations = row.Annotations,
        Refused = row.Refused,
        Body = row.Body,
        Provenance = row.Provenance,
    };
}
