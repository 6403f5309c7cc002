using System.Diagnostics;
using Grpc.Core;
using Grpc.Reflection.V1;
using Reheat.Grpc.Tests.Fixtures;
using Xunit;

namespace Reheat.Grpc.Tests.Server;

public sealed class ReflectionTests
{
    private const string Services =
        "\"grpc.health.v1.Health\",\"grpc.reflection.v1.ServerReflection\",\"grpc.reflection.v1alpha.ServerReflection\"," +
        "\"reheat.tests.echo.Echo\"";

    [Theory, EachPeer]
    public async Task A_client_calls_with_nothing_but_what_reflection_tells(Peer peer)
    {
        await using EchoServer server = await EchoServer.StartAsync();
        string expected = $$"""{"services":[{{Services}}],"text":"by reflection","missing":5}""";
        await ForeignClientTests.RunAsync(peer, server.Authority, "reflection", expected, expected);
    }

    [Theory]
    [InlineData("reheat.tests.echo.Echo", "echo.proto")]
    [InlineData("reheat.tests.echo.Echo.Duplex", "echo.proto")]
    [InlineData("reheat.tests.echo.EchoRequest.count", "echo.proto")]
    [InlineData("reheat.tests.extended.Extendable", "extended.proto")]
    [InlineData("reheat.tests.extended.Extendable.Nested.depth", "extended.proto")]
    [InlineData("reheat.tests.extended.Extendable.Colour", "extended.proto")]
    [InlineData("reheat.tests.extended.Extendable.GREEN", "extended.proto")]
    [InlineData("reheat.tests.extended.Extendable.choice", "extended.proto")]
    [InlineData("reheat.tests.extended.first", "extended.proto")]
    public async Task Every_kind_of_symbol_leads_to_its_file(string symbol, string file)
    {
        ServerReflectionResponse response = await AskAsync(new ServerReflectionRequest { FileContainingSymbol = symbol });
        Assert.Equal(file, FirstFile(response));
    }

    [Fact]
    public async Task A_file_comes_with_its_imports()
    {
        ServerReflectionResponse response = await AskAsync(new ServerReflectionRequest { FileByFilename = "echo.proto" });
        Assert.Equal(2, response.FileDescriptorResponse.FileDescriptorProto.Count);
        Assert.Equal("echo.proto", FirstFile(response));
    }

    [Fact]
    public async Task Extensions_are_found_by_number_and_listed()
    {
        const string message = "reheat.tests.extended.Extendable";
        ServerReflectionResponse found = await AskAsync(new ServerReflectionRequest
        {
            FileContainingExtension = new ExtensionRequest { ContainingType = message, ExtensionNumber = 120 },
        });
        Assert.Equal("extended.proto", FirstFile(found));

        ServerReflectionResponse all = await AskAsync(new ServerReflectionRequest { AllExtensionNumbersOfType = message });
        Assert.Equal([101, 120], all.AllExtensionNumbersResponse.ExtensionNumber);

        ServerReflectionResponse none = await AskAsync(new ServerReflectionRequest { AllExtensionNumbersOfType = "reheat.tests.echo.EchoReply" });
        Assert.Empty(none.AllExtensionNumbersResponse.ExtensionNumber);
    }

    [Fact]
    public async Task What_is_not_found_is_an_answer_and_the_stream_goes_on()
    {
        ServerReflectionRequest[] requests =
        [
            new() { FileByFilename = "nothing.proto" },
            new() { FileContainingExtension = new ExtensionRequest { ContainingType = "a.b", ExtensionNumber = 1 } },
            new() { AllExtensionNumbersOfType = "a.b" },
            new() { Host = "here" },
        ];
        await using EchoServer server = await EchoServer.StartAsync();
        ServerReflectionResponse[] responses = await AskAsync(server, requests);
        Assert.Equal(
            [StatusCode.NotFound, StatusCode.NotFound, StatusCode.NotFound, StatusCode.InvalidArgument],
            responses.Select(r => (StatusCode)r.ErrorResponse.ErrorCode));
        Assert.Equal(requests, responses.Select(r => r.OriginalRequest));
        Assert.Equal("here", responses[^1].ValidHost);
    }

    [Theory, EachPeer]
    public async Task An_open_stream_does_not_hold_up_a_stop(Peer peer)
    {
        await using EchoServer server = await EchoServer.StartAsync();
        await using PeerProcess client = await Peers.StartClientAsync(peer, server.Authority, "reflection_open");
        await client.ExpectAsync("4");
        var stopping = Stopwatch.StartNew();
        await server.StopAsync();
        Assert.InRange(stopping.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(5));
        await client.ExpectAsync("""{"code":14,"details":"the server is shutting down"}""");
        await client.ExpectEndAsync();
    }

    [Fact]
    public async Task Our_client_hears_of_a_stop_while_it_reads()
    {
        await using EchoServer server = await EchoServer.StartAsync();
        using var channel = server.Channel();
        using var call = new ServerReflection.ServerReflectionClient(channel).ServerReflectionInfo(
            cancellationToken: TestContext.Current.CancellationToken);
        await call.RequestStream.WriteAsync(new ServerReflectionRequest { ListServices = "" }, TestContext.Current.CancellationToken);
        Assert.True(await call.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
        Task<bool> reading = call.ResponseStream.MoveNext(TestContext.Current.CancellationToken);
        await server.StopAsync();
        RpcException end = await Assert.ThrowsAsync<RpcException>(() => reading);
        // The status is on the wire (see the test above), but .NET's HTTP/2 client drops what it has not handed over when the connection
        // closes behind it: it then reports that. Whoever holds a stream open has to take both for "connect again".
        if (end.StatusCode == StatusCode.Internal)
            Assert.Contains("The HTTP/2 server closed the connection", end.Status.Detail, StringComparison.Ordinal);
        else
            Assert.Equal((StatusCode.Unavailable, "the server is shutting down"), (end.StatusCode, end.Status.Detail));
    }

    private static string FirstFile(ServerReflectionResponse response) =>
        Google.Protobuf.Reflection.FileDescriptorProto.Parser.ParseFrom(response.FileDescriptorResponse.FileDescriptorProto[0]).Name;

    private static async Task<ServerReflectionResponse> AskAsync(ServerReflectionRequest request)
    {
        await using EchoServer server = await EchoServer.StartAsync();
        return Assert.Single(await AskAsync(server, request));
    }

    private static async Task<ServerReflectionResponse[]> AskAsync(EchoServer server, params ServerReflectionRequest[] requests)
    {
        using var channel = server.Channel();
        using var call = new ServerReflection.ServerReflectionClient(channel).ServerReflectionInfo(
            cancellationToken: TestContext.Current.CancellationToken);
        foreach (ServerReflectionRequest request in requests)
            await call.RequestStream.WriteAsync(request, TestContext.Current.CancellationToken);
        await call.RequestStream.CompleteAsync();
        var responses = new List<ServerReflectionResponse>();
        await foreach (ServerReflectionResponse response in call.ResponseStream.ReadAllAsync(TestContext.Current.CancellationToken))
            responses.Add(response);
        return [.. responses];
    }
}
