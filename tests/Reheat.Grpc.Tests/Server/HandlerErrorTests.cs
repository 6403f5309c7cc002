using Grpc.Core;
using Reheat.Grpc.Tests.Fixtures;
using Reheat.Grpc.Tests.Protos;
using Xunit;

namespace Reheat.Grpc.Tests.Server;

public sealed class HandlerErrorTests
{
    [Fact]
    public async Task An_exception_that_escapes_is_unknown_to_the_client_and_logged_once()
    {
        await using EchoServer server = await EchoServer.StartAsync();
        using var channel = server.Channel();
        RpcException e = await Assert.ThrowsAsync<RpcException>(() => new Echo.EchoClient(channel).UnaryAsync(
            new EchoRequest { FailDetail = "throw" }, cancellationToken: TestContext.Current.CancellationToken).ResponseAsync);
        Assert.Equal(StatusCode.Unknown, e.StatusCode);
        Assert.DoesNotContain("on purpose", e.Status.Detail, StringComparison.Ordinal);
        Assert.Contains("a handler failed on purpose", Assert.Single(server.Log.TakeErrors()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_repeated_binary_key_is_refused_by_the_server()
    {
        // Of Grpc.AspNetCore.Server 2.85, not of ours: it joins repeated headers with commas before it decodes them. Known, so that
        // nobody builds on repeated binary keys.
        await using EchoServer server = await EchoServer.StartAsync();
        using var channel = server.Channel();
        var headers = new Metadata { { "x-twice-bin", [1] }, { "x-twice-bin", [2] } };
        RpcException e = await Assert.ThrowsAsync<RpcException>(() => new Echo.EchoClient(channel).UnaryAsync(
            new EchoRequest(), headers, cancellationToken: TestContext.Current.CancellationToken).ResponseAsync);
        Assert.Equal(StatusCode.Unknown, e.StatusCode);
        Assert.Contains("FormatException", Assert.Single(server.Log.TakeErrors()), StringComparison.Ordinal);
    }
}
