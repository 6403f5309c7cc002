using System.Diagnostics;
using Reheat.Collector.Health;
using Reheat.Grpc.Tests.Fixtures;
using Xunit;

namespace Reheat.Grpc.Tests.Server;

public sealed class HealthTests
{
    [Theory, EachPeer]
    public async Task Check_tells_serving_not_serving_and_unknown(Peer peer)
    {
        await using EchoServer server = await EchoServer.StartAsync();
        server.Health.Set("down", serving: false);
        await ForeignClientTests.RunAsync(
            peer, server.Authority, "health", """{"whole":"SERVING","down":"NOT_SERVING","unknown":5}""");
    }

    [Theory, EachPeer]
    public async Task Watch_streams_every_change_and_ends_with_the_server(Peer peer)
    {
        await using EchoServer server = await EchoServer.StartAsync();
        await using PeerProcess client = await Peers.StartClientAsync(peer, server.Authority, "health_watch");
        await client.ExpectAsync("\"SERVICE_UNKNOWN\"");
        server.Health.Set("later", serving: true);
        await client.ExpectAsync("\"SERVING\"");
        server.Health.Set("later", serving: true);
        server.Health.Set("later", serving: false);
        await client.ExpectAsync("\"NOT_SERVING\"");
        server.Health.Set("later", serving: true);
        await client.ExpectAsync("\"SERVING\"");

        var stopping = Stopwatch.StartNew();
        await server.StopAsync();
        Assert.InRange(stopping.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(5));
        await client.ExpectAsync("\"NOT_SERVING\"");
        await client.ExpectAsync("""{"code":14,"details":"the server is shutting down"}""");
        await client.ExpectEndAsync();
    }

    [Fact]
    public async Task A_watch_that_is_given_up_is_forgotten()
    {
        await using EchoServer server = await EchoServer.StartAsync();
        using var channel = server.Channel();
        var client = new global::Grpc.Health.V1.Health.HealthClient(channel);
        using (var watch = client.Watch(new() { Service = ServiceHealth.WholeServer }, cancellationToken: TestContext.Current.CancellationToken))
        {
            Assert.True(await watch.ResponseStream.MoveNext(TestContext.Current.CancellationToken));
            Assert.Equal(1, server.Health.Watches);
        }
        for (int i = 0; server.Health.Watches > 0; i++)
        {
            Assert.True(i < 500, "the watch is still there after 5 s");
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
    }
}
