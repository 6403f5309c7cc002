using Reheat.Grpc.Tests.Fixtures;
using Xunit;

namespace Reheat.Grpc.Tests.Server;

/// <summary>Clients of other implementations against our server. Both print the same for the same scenario.</summary>
public sealed class ForeignClientTests
{
    [Theory, EachPeer]
    public Task All_four_shapes_unary(Peer peer) => Expect(peer, "unary", """{"code":0,"text":"hello","payload":"000102ff"}""");

    [Theory, EachPeer]
    public Task All_four_shapes_server_stream(Peer peer) =>
        Expect(peer, "server_stream", """{"code":0,"indices":[0,1,2,3,4],"texts":["s","s","s","s","s"]}""");

    [Theory, EachPeer]
    public Task All_four_shapes_client_stream(Peer peer) => Expect(peer, "client_stream", """{"code":0,"text":"a,b,c","total":30}""");

    [Theory, EachPeer]
    public Task All_four_shapes_duplex(Peer peer) =>
        Expect(peer, "duplex", """{"code":0,"texts":["one","two","three"],"indices":[0,1,2]}""");

    [Theory, EachPeer]
    public Task Every_status_code_arrives_with_its_detail_and_trailers(Peer peer) => Expect(
        peer, "status",
        [.. Enumerable.Range(1, 16).Select(code => $$$"""
            {"code":{{{code}}},"details":"détail {{{code}}}: 100% – 漢字\n\"end\"","trailers":{"fail-text":["why"],"fail-bytes-bin":["00ff0a"]}}
            """)]);

    [Theory, EachPeer]
    public Task Metadata_comes_back_in_headers_and_trailers(Peer peer)
    {
        string all = Convert.ToHexStringLower([.. Enumerable.Range(0, 256).Select(i => (byte)i)]);
        return Expect(peer, "metadata", $$$"""
            {"code":0,
             "headers":{"x-ascii":["value one,value two, with comma"],"x-bytes-bin":["{{{all}}}"],"x-more-bin":["0102"]},
             "trailers":{"t-x-ascii":["value one,value two, with comma"],"t-x-bytes-bin":["{{{all}}}"],"t-x-more-bin":["0102"]}}
            """);
    }

    [Theory, EachPeer]
    public async Task A_deadline_ends_the_call_on_both_sides(Peer peer)
    {
        await using EchoServer server = await EchoServer.StartAsync();
        await RunAsync(peer, server.Authority, "deadline", """{"code":4}""");
        await Until(() => server.State.Cancelled == 1);
    }

    [Theory, EachPeer]
    public async Task A_client_that_cancels_is_noticed(Peer peer)
    {
        await using EchoServer server = await EchoServer.StartAsync();
        await RunAsync(peer, server.Authority, "cancel_by_client", """{"code":1,"enough":true}""");
        await Until(() => server.State.Cancelled == 1);
    }

    [Theory, EachPeer]
    public Task A_server_that_cancels_is_noticed(Peer peer) =>
        Expect(peer, "cancel_by_server", """{"code":1,"details":"the server gave up","received":3}""");

    [Theory, EachPeer]
    public async Task Gzip_is_on_the_wire_in_both_directions(Peer peer)
    {
        await using EchoServer server = await EchoServer.StartAsync(o => o.ResponseCompressionAlgorithm = "gzip");
        await using var proxy = new CountingProxy(server.Uri.Port);
        await RunAsync(
            peer, proxy.Authority, "gzip", """{"code":0,"size":1048576,"encoding":["gzip"],"received":1048576}""");
        Assert.InRange(proxy.Up, 1000, 50_000);
        Assert.InRange(proxy.Down, 1000, 50_000);
    }

    [Theory, EachPeer]
    public Task A_request_over_4_MiB_is_refused_and_the_connection_lives_on(Peer peer) =>
        Expect(peer, "too_large_request", """{"code":8,"after":"still here"}""");

    [Theory, EachPeer]
    public Task A_reply_over_4_MiB_is_refused_and_the_connection_lives_on(Peer peer) =>
        Expect(peer, "too_large_reply", """{"code":8,"after":"still here"}""");

    [Theory, EachPeer]
    public Task An_unknown_method_or_service_is_unimplemented(Peer peer) => Expect(peer, "unimplemented", """{"method":12,"service":12}""");

    internal static async Task RunAsync(Peer peer, string address, string scenario, params string[] expected)
    {
        await using PeerProcess client = await Peers.StartClientAsync(peer, address, scenario);
        foreach (string json in expected)
            await client.ExpectAsync(json);
        await client.ExpectEndAsync();
    }

    private static async Task Expect(Peer peer, string scenario, params string[] expected)
    {
        await using EchoServer server = await EchoServer.StartAsync();
        await RunAsync(peer, server.Authority, scenario, expected);
    }

    private static async Task Until(Func<bool> condition)
    {
        for (int i = 0; !condition(); i++)
        {
            Assert.True(i < 500, "the server did not notice within 5 s");
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }
}
