using Google.Protobuf;
using Grpc.Core;
using Reheat.Grpc.Tests.Fixtures;
using Reheat.Grpc.Tests.Protos;
using Xunit;

namespace Reheat.Grpc.Tests.Client;

/// <summary>Our client against the servers of other implementations, and the same against ours.</summary>
public sealed class OwnClientTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory, EachTarget]
    public async Task All_four_shapes(Target target)
    {
        await using EchoTarget echo = await EchoTarget.StartAsync(target);
        byte[] payload = [0, 1, 2, 255];
        EchoReply unary = await echo.Client.UnaryAsync(
            new EchoRequest { Text = "hello", Payload = ByteString.CopyFrom(payload) }, cancellationToken: Token);
        Assert.Equal("hello", unary.Text);
        Assert.Equal(payload, unary.Payload.ToByteArray());
        Assert.Equal("hello", echo.Client.Unary(new EchoRequest { Text = "hello" }, cancellationToken: Token).Text);

        using (var call = echo.Client.ServerStream(new EchoRequest { Count = 5 }, cancellationToken: Token))
        {
            var indices = new List<int>();
            await foreach (EchoReply reply in call.ResponseStream.ReadAllAsync(Token))
                indices.Add(reply.Index);
            Assert.Equal([0, 1, 2, 3, 4], indices);
            Assert.Equal(StatusCode.OK, call.GetStatus().StatusCode);
        }

        using (var call = echo.Client.ClientStream(cancellationToken: Token))
        {
            foreach (string text in (string[])["a", "b", "c"])
                await call.RequestStream.WriteAsync(new EchoRequest { Text = text, Payload = ByteString.CopyFrom(payload) }, Token);
            await call.RequestStream.CompleteAsync();
            EchoReply reply = await call;
            Assert.Equal(("a,b,c", 12), (reply.Text, reply.TotalBytes));
        }

        using (var call = echo.Client.Duplex(cancellationToken: Token))
        {
            // Each request waits for the reply to the one before: only true duplex gets through.
            foreach ((int index, string text) in ((string[])["one", "two", "three"]).Index())
            {
                await call.RequestStream.WriteAsync(new EchoRequest { Text = text }, Token);
                Assert.True(await call.ResponseStream.MoveNext(Token));
                Assert.Equal((index, text), (call.ResponseStream.Current.Index, call.ResponseStream.Current.Text));
            }
            await call.RequestStream.CompleteAsync();
            Assert.False(await call.ResponseStream.MoveNext(Token));
        }
    }

    [Theory, EachTarget]
    public async Task Every_status_code_arrives_with_its_detail_and_trailers(Target target)
    {
        await using EchoTarget echo = await EchoTarget.StartAsync(target);
        for (int code = 1; code <= 16; code++)
        {
            string detail = $"détail {code}: 100% – 漢字\n\"end\"";
            RpcException e = await FailAsync(echo.Client.UnaryAsync(new EchoRequest { FailCode = code, FailDetail = detail }, cancellationToken: Token));
            Assert.Equal(((StatusCode)code, detail), (e.StatusCode, e.Status.Detail));
            Assert.Equal("why", e.Trailers.GetValue("fail-text"));
            Assert.Equal([0, 255, 10], e.Trailers.GetValueBytes("fail-bytes-bin"));
        }
    }

    [Theory, EachTarget]
    public async Task Metadata_comes_back_in_headers_and_trailers(Target target)
    {
        await using EchoTarget echo = await EchoTarget.StartAsync(target);
        byte[] all = [.. Enumerable.Range(0, 256).Select(i => (byte)i)];
        var headers = new Metadata { { "X-Ascii", "value one" }, { "x-other", "~ !\"#$%&'()*+,/:;<=>?@[]^`{|}" }, { "x-bytes-bin", all } };
        using AsyncUnaryCall<EchoReply> call = echo.Client.UnaryAsync(new EchoRequest(), headers, cancellationToken: Token);
        Metadata response = await call.ResponseHeadersAsync;
        await call;
        foreach ((Metadata back, string prefix) in ((Metadata, string)[])[(response, ""), (call.GetTrailers(), "t-")])
        {
            Assert.Equal("value one", back.GetValue(prefix + "x-ascii"));
            Assert.Equal(headers.GetValue("x-other"), back.GetValue(prefix + "x-other"));
            Assert.Equal(all, back.GetValueBytes(prefix + "x-bytes-bin"));
        }
    }

    [Theory, EachTarget]
    public async Task A_deadline_ends_the_call_on_both_sides(Target target)
    {
        await using EchoTarget echo = await EchoTarget.StartAsync(target);
        // Connected: the deadline is not spent on that.
        await echo.Client.UnaryAsync(new EchoRequest(), cancellationToken: Token);
        RpcException e = await FailAsync(echo.Client.UnaryAsync(
            new EchoRequest { DelayMs = 30_000 }, deadline: DateTime.UtcNow.AddSeconds(1), cancellationToken: Token));
        Assert.Equal(StatusCode.DeadlineExceeded, e.StatusCode);
        await UntilCancelled(echo);
    }

    [Theory, EachTarget]
    public async Task A_client_that_cancels_is_noticed(Target target)
    {
        await using EchoTarget echo = await EchoTarget.StartAsync(target);
        using var giveUp = CancellationTokenSource.CreateLinkedTokenSource(Token);
        using var call = echo.Client.ServerStream(new EchoRequest { Count = -1 }, cancellationToken: giveUp.Token);
        for (int i = 0; i < 3; i++)
            Assert.True(await call.ResponseStream.MoveNext(Token));
        await giveUp.CancelAsync();
        RpcException e = await Assert.ThrowsAsync<RpcException>(async () =>
        {
            while (await call.ResponseStream.MoveNext(Token))
            {
                // What was under way still arrives.
            }
        });
        Assert.Equal(StatusCode.Cancelled, e.StatusCode);
        await UntilCancelled(echo);
    }

    [Theory, EachTarget]
    public async Task A_server_that_cancels_is_noticed_after_what_it_sent(Target target)
    {
        await using EchoTarget echo = await EchoTarget.StartAsync(target);
        using var call = echo.Client.ServerStream(
            new EchoRequest { Count = 3, FailCode = (int)StatusCode.Cancelled, FailDetail = "the server gave up" }, cancellationToken: Token);
        for (int i = 0; i < 3; i++)
            Assert.True(await call.ResponseStream.MoveNext(Token));
        RpcException e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(Token));
        Assert.Equal((StatusCode.Cancelled, "the server gave up"), (e.StatusCode, e.Status.Detail));
    }

    [Theory, EachTarget]
    public async Task A_server_that_ends_a_duplex_call_early_is_heard(Target target)
    {
        await using EchoTarget echo = await EchoTarget.StartAsync(target);
        using var call = echo.Client.Duplex(cancellationToken: Token);
        await call.RequestStream.WriteAsync(new EchoRequest { Text = "fine" }, Token);
        Assert.True(await call.ResponseStream.MoveNext(Token));
        await call.RequestStream.WriteAsync(
            new EchoRequest { FailCode = (int)StatusCode.FailedPrecondition, FailDetail = "lease lost" }, Token);
        RpcException e = await Assert.ThrowsAsync<RpcException>(() => call.ResponseStream.MoveNext(Token));
        Assert.Equal((StatusCode.FailedPrecondition, "lease lost"), (e.StatusCode, e.Status.Detail));
    }

    [Theory, EachTarget]
    public async Task Gzip_is_on_the_wire_in_both_directions(Target target)
    {
        await using EchoTarget echo = await EchoTarget.StartAsync(target);
        var gzip = new Metadata { { "grpc-internal-encoding-request", "gzip" } };
        EchoReply reply = await echo.Client.UnaryAsync(
            new EchoRequest { Payload = ByteString.CopyFrom(new byte[1 << 20]) }, gzip, cancellationToken: Token);
        Assert.Equal((1 << 20, 1 << 20), (reply.TotalBytes, reply.Payload.Length));
        Assert.InRange(echo.Proxy.Up, 1000, 50_000);
        // grpc-js never compresses its replies; the other two show that our client reads compressed ones.
        if (target == Target.GrpcJs)
            Assert.InRange(echo.Proxy.Down, 1 << 20, 2 << 20);
        else
            Assert.InRange(echo.Proxy.Down, 1000, 50_000);
    }

    [Theory, EachTarget]
    public async Task A_message_over_4_MiB_is_refused_and_the_connection_lives_on(Target target)
    {
        await using EchoTarget echo = await EchoTarget.StartAsync(target);
        RpcException request = await FailAsync(echo.Client.UnaryAsync(
            new EchoRequest { Payload = ByteString.CopyFrom(new byte[5 << 20]) }, cancellationToken: Token));
        Assert.Equal(StatusCode.ResourceExhausted, request.StatusCode);
        RpcException reply = await FailAsync(echo.Client.UnaryAsync(new EchoRequest { ReplyBytes = 5 << 20 }, cancellationToken: Token));
        Assert.Equal(StatusCode.ResourceExhausted, reply.StatusCode);
        Assert.Equal("still here", (await echo.Client.UnaryAsync(new EchoRequest { Text = "still here" }, cancellationToken: Token)).Text);
    }

    private static Task<RpcException> FailAsync(AsyncUnaryCall<EchoReply> call) =>
        Assert.ThrowsAsync<RpcException>(() => call.ResponseAsync);

    private static async Task UntilCancelled(EchoTarget echo)
    {
        for (int i = 0; await echo.CancelledAsync() == 0; i++)
        {
            Assert.True(i < 500, "the server did not notice within 5 s");
            await Task.Delay(10, Token);
        }
    }
}
