using Grpc.Core;
using Reheat.Store.Builds;
using Reheat.V1;

namespace Reheat.Collector.Builds;

/// <summary>Finds the build that a selector means, or says what was looked for.</summary>
internal static class BuildFinder
{
    /// <exception cref="RpcException">INVALID_ARGUMENT or NOT_FOUND.</exception>
    public static async Task<BuildRow> FindAsync(BuildStore builds, BuildSelector? selector, CancellationToken cancel)
    {
        selector ??= new BuildSelector();
        string prefix = selector.BuildId.ToLowerInvariant();
        if (prefix.Length > 0 && (prefix.Length < 6 || !prefix.All(char.IsAsciiHexDigitLower)))
            throw new RpcException(new Status(StatusCode.InvalidArgument, $"build-id \"{selector.BuildId}\": expected at least 6 hex digits"));
        return await builds.FindAsync(new BuildSelection(selector.Build, prefix, selector.Series), cancel)
            ?? throw new RpcException(new Status(StatusCode.NotFound, selector switch
            {
                { Build: > 0 } => $"no build {selector.Build} — `reheat builds list` shows what is registered",
                { BuildId.Length: > 0 } => $"no build has an image with build-id {selector.BuildId}… — register it with `reheat builds add`",
                { Series.Length: > 0 } => $"no build in series {selector.Series} — `reheat builds list` shows what is registered",
                _ => "no build is registered — `reheat builds add vmlinux` registers one",
            }));
    }
}
