using Grpc.Core;
using Reheat.Cli.Client;
using Reheat.Cli.Terminal;
using Reheat.V1;

namespace Reheat.Loop.Tests.Fixtures;

/// <summary>Builds registered by the command line's own upload, or request by request.</summary>
internal static class Uploads
{
    public static async Task<AddBuildResponse> RegisterAsync(this LoopServer server, string series, params string[] paths)
    {
        using var connection = new Connection(server.Address);
        return await BuildUpload.RunAsync(connection, new Screen(json: true), paths, series, "", CancellationToken.None);
    }

    /// <summary>Sends these requests as one call.</summary>
    public static async Task<AddBuildResponse> AddAsync(this LoopServer server, params AddBuildRequest[] requests)
    {
        using AsyncClientStreamingCall<AddBuildRequest, AddBuildResponse> call = server.Builds.Add();
        try
        {
            foreach (AddBuildRequest request in requests)
                await call.RequestStream.WriteAsync(request);
            await call.RequestStream.CompleteAsync();
        }
        catch (Exception e) when (e is RpcException or InvalidOperationException)
        {
            // Refused in mid-stream; the answer says why.
        }
        return await call.ResponseAsync;
    }

    public static async Task<Status> RefusedAsync(this LoopServer server, params AddBuildRequest[] requests) =>
        (await Xunit.Assert.ThrowsAsync<RpcException>(() => server.AddAsync(requests))).Status;
}
