using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Reheat.Core;
using Reheat.Store.Builds;
using Reheat.V1;

namespace Reheat.Collector.Builds;

/// <summary>The service <c>reheat.v1.Builds</c>.</summary>
internal sealed class BuildsService(BuildStore builds, PartStore parts, ILogger<BuildsService> log) : V1.Builds.BuildsBase
{
    private const int MaxImages = 4096;
    private const int MaxPartsOfImage = 100_000;
    private const int MaxReportedSites = 1_000_000;
    private const int MaxReportedName = 600;

    // The executable sections of the largest kernels are a quarter of this.
    private const long MaxPackedPart = 128L << 20;
    private const ulong MaxRawPart = 512UL << 20;

    /// <inheritdoc/>
    public override async Task<MissingPartsResponse> MissingParts(MissingPartsRequest request, ServerCallContext context)
    {
        if (request.Sha256.FirstOrDefault(h => h.Length != 32) is { } wrong)
            throw Invalid($"a hash of {wrong.Length} bytes: SHA-256 has 32");
        var response = new MissingPartsResponse();
        IReadOnlyList<byte[]> missing = await parts.MissingAsync([.. request.Sha256.Select(h => h.ToByteArray())], context.CancellationToken);
        response.Sha256.AddRange(missing.Select(ByteString.CopyFrom));
        return response;
    }

    /// <inheritdoc/>
    public override async Task<AddBuildResponse> Add(IAsyncStreamReader<AddBuildRequest> requestStream, ServerCallContext context)
    {
        CancellationToken cancel = context.CancellationToken;
        NewBuild? build = null;
        var images = new List<Store.Builds.NewImage>();
        var report = new List<SecondPassRow>();
        using var packed = new MemoryStream();
        while (await requestStream.MoveNext(cancel))
        {
            AddBuildRequest request = requestStream.Current;
            switch (request.MessageCase)
            {
                case AddBuildRequest.MessageOneofCase.Build when build is null:
                    build = CheckedBuild(request.Build);
                    break;
                case AddBuildRequest.MessageOneofCase.Image when build is not null:
                    images.Add(CheckedImage(request.Image));
                    if (images.FindIndex(i => i.BuildId == images[^1].BuildId) < images.Count - 1)
                        throw Invalid($"image {images[^1].Name}: build-id {images[^1].BuildId} occurs twice in the build — name each image once");
                    if (images.Count > MaxImages)
                        throw Invalid($"more than {MaxImages} images in one build");
                    break;
                case AddBuildRequest.MessageOneofCase.Part when images.Count > 0:
                    await ReceivePartAsync(request.Part, packed, cancel);
                    break;
                case AddBuildRequest.MessageOneofCase.Report when images.Count > 0:
                    report.AddRange(request.Report.Sites.Select(CheckedSite));
                    if (report.Count > MaxReportedSites)
                        throw Invalid($"more than {MaxReportedSites} sites in one report");
                    break;
                default:
                    throw Invalid($"unexpected {request.MessageCase}: a build comes first, once; then images, each followed by its parts; then a report");
            }
        }
        if (build is null || images.Count == 0)
            throw Invalid("the call ended without an image: expected a build and at least one image");
        if (packed.Length > 0)
            throw Invalid($"the call ended in the middle of a part, after {packed.Length} bytes");
        try
        {
            (long number, bool existed) = await builds.AddAsync(build.Series, build.Label, images, report, cancel);
            Log.BuildRegistered(log, number, build.Series, images.Count);
            BuildRow row = (await builds.FindAsync(new BuildSelection(Build: number), cancel))!;
            return new AddBuildResponse { Build = ToWire(row), Existed = existed };
        }
        catch (MissingPartException e)
        {
            throw new RpcException(new Status(StatusCode.FailedPrecondition, e.Message));
        }
        catch (InvalidDataException e)
        {
            throw Invalid(e.Message);
        }
    }

    /// <inheritdoc/>
    public override async Task<ListBuildsResponse> List(ListBuildsRequest request, ServerCallContext context)
    {
        int limit = request.Limit == 0 ? 100 : (int)Math.Min(request.Limit, 10_000);
        var response = new ListBuildsResponse();
        response.Builds.AddRange((await builds.ListAsync(request.Series, limit, context.CancellationToken)).Select(ToWire));
        return response;
    }

    /// <inheritdoc/>
    public override async Task<Build> Get(BuildSelector request, ServerCallContext context) =>
        ToWire(await BuildFinder.FindAsync(builds, request, context.CancellationToken));

    private async Task ReceivePartAsync(Part part, MemoryStream packed, CancellationToken cancel)
    {
        if (packed.Length + part.Packed.Length > MaxPackedPart)
            throw new RpcException(new Status(StatusCode.ResourceExhausted, $"a part of more than {MaxPackedPart >> 20} MiB packed"));
        part.Packed.WriteTo(packed);
        if (!part.Last)
            return;
        if (part.Sha256.Length != 32 || part.RawSize > MaxRawPart)
            throw Invalid($"a part with a hash of {part.Sha256.Length} bytes and a size of {part.RawSize}: SHA-256 has 32, and a part unpacks to at most {MaxRawPart >> 20} MiB");
        try
        {
            await parts.AddAsync(part.Sha256.ToByteArray(), (long)part.RawSize, packed.ToArray(), cancel);
        }
        catch (InvalidDataException e)
        {
            throw Invalid(e.Message);
        }
        packed.SetLength(0);
    }

    private static SecondPassRow CheckedSite(SecondPassSite site)
    {
        // Texts of the key: an index takes no more.
        if (site.Unit.Length > MaxReportedName || site.Function.Length is 0 or > MaxReportedName || site.Ordinal > int.MaxValue)
            throw Invalid($"a report of {site.Unit}:{site.Function} #{site.Ordinal}: expected names of at most {MaxReportedName} characters and an ordinal below 2^31");
        if (site.State is not (V1.SecondPassState.Annotated or V1.SecondPassState.Refused or V1.SecondPassState.Lost))
            throw Invalid($"a report of {site.Unit}:{site.Function} #{site.Ordinal} with state {(int)site.State}: expected annotated, refused or lost");
        if (site.State != V1.SecondPassState.Annotated && site.Refusal.Length == 0)
            throw Invalid($"a report of {site.Unit}:{site.Function} #{site.Ordinal}: {site.State.ToString().ToLowerInvariant()} without a reason");
        return new SecondPassRow(
            Stored(site.Unit), Stored(site.Function), (int)site.Ordinal, Stored(site.Instruction), (Store.Builds.SecondPassState)site.State,
            site.Refusal.Length > 0 ? Stored(site.Refusal) : null, Stored(site.Detail), (float)Math.Clamp(site.Confidence, 0, 1));
    }

    // PostgreSQL's text has every character but this one.
    private static string Stored(string text) => text.Replace('\0', '\ufffd');

    private static NewBuild CheckedBuild(NewBuild build)
    {
        if (build.Series.Length is 0 or > 100 || !build.Series.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-'))
            throw Invalid($"series \"{build.Series}\": expected 1 to 100 characters of [A-Za-z0-9._-]");
        if (build.Label.Length > 200 || build.Label.Any(char.IsControl))
            throw Invalid("label: at most 200 characters and no control characters");
        return build;
    }

    private static Store.Builds.NewImage CheckedImage(V1.NewImage image)
    {
        if (image.BuildId.Length is 0 or > BuildId.MaxLength)
            throw Invalid($"image {image.Name} has a build-id of {image.BuildId.Length} bytes: expected 1 to {BuildId.MaxLength} — link it with --build-id");
        if (image.Name.Length is 0 or > 200 || image.Name.Any(char.IsControl))
            throw Invalid($"an image's name has {image.Name.Length} characters: expected 1 to 200 and no control characters");
        if (image.Machine is not (3 or 62))
            throw Invalid($"image {image.Name} is for machine {image.Machine}: x86-64 (62) and i386 (3) are known");
        if (image.Parts.Count > MaxPartsOfImage)
            throw Invalid($"image {image.Name} names {image.Parts.Count} parts: at most {MaxPartsOfImage}");
        if (image.Parts.FirstOrDefault(p => p.Sha256.Length != 32) is { } part)
            throw Invalid($"image {image.Name}: part with a hash of {part.Sha256.Length} bytes: SHA-256 has 32");
        if (image.Parts.Any(p => p.Index > int.MaxValue || p.Kind is <= 0 || (int)p.Kind > short.MaxValue)
            || image.Parts.DistinctBy(p => (p.Kind, p.Index)).Count() != image.Parts.Count)
        {
            throw Invalid($"image {image.Name} names a part twice, or one without kind or beyond 2^31");
        }
        return new Store.Builds.NewImage(
            new BuildId(image.BuildId.Span), image.Name, (int)image.Machine, (long)Math.Min(image.FileSize, long.MaxValue),
            [.. image.Parts.Select(p => new PartReference((short)p.Kind, (int)p.Index, p.Sha256.ToByteArray()))]);
    }

    private static Build ToWire(BuildRow row)
    {
        var build = new Build
        {
            Build_ = row.Build,
            Series = row.Series,
            Label = row.Label,
            RegisteredAt = Timestamp.FromDateTime(DateTime.SpecifyKind(row.RegisteredAt, DateTimeKind.Utc)),
        };
        build.Images.AddRange(row.Images.Select(i => new Image
        {
            BuildId = ByteString.CopyFrom(i.BuildId.ToBytes()),
            Name = i.Name,
            Machine = (uint)i.Machine,
            FileSize = (ulong)i.FileSize,
            StoredSize = (ulong)i.StoredSize,
            Sites = (ulong)i.Sites,
            Annotated = { i.Annotated.ToDictionary(a => a.Key, a => (ulong)a.Value) },
        }));
        return build;
    }

    private static RpcException Invalid(string what) => new(new Status(StatusCode.InvalidArgument, what));
}
