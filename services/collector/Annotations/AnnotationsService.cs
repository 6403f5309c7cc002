using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Reheat.Collector.Builds;
using Reheat.Store.Builds;
using Reheat.Store.Lists;
using Reheat.V1;

namespace Reheat.Collector.Annotations;

/// <summary>The service <c>reheat.v1.Annotations</c>.</summary>
internal sealed class AnnotationsService(
    BuildStore builds, AnnotationListStore lists, JobStore jobs, JobWatch watch, CollectorOptions options) : V1.Annotations.AnnotationsBase
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

    private async Task WaitForFreshAsync(long build, CancellationToken cancel)
    {
        long job = await jobs.QueueAsync(JobKind.Annotate, build, cancel);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(options.PullTimeout);
        try
        {
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
