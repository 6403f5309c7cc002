using System.Collections.Concurrent;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Reheat.Grpc.Tests.Fixtures;
using Reheat.Grpc.Tests.Protos;
using Xunit;

namespace Reheat.Grpc.Tests.Contract;

/// <summary>Interceptors, credentials and definitions on their way through the real packages.</summary>
public sealed class InterceptorTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Client_interceptors_see_calls_of_all_shapes_in_their_order()
    {
        await using EchoServer server = await EchoServer.StartAsync();
        using var channel = server.Channel();
        var seen = new ConcurrentQueue<string>();
        var client = new Echo.EchoClient(channel.Intercept(new Recorder("outer", seen), new Recorder("inner", seen)));
        await CallAllAsync(client);
        Assert.Equal(
            ["outer Unary", "inner Unary", "outer Unary", "inner Unary", "outer ServerStream", "inner ServerStream",
                "outer ClientStream", "inner ClientStream", "outer Duplex", "inner Duplex"],
            seen);
    }

    [Fact]
    public async Task Server_interceptors_see_calls_of_all_shapes()
    {
        var seen = new ConcurrentQueue<string>();
        await using EchoServer server = await EchoServer.StartAsync(o => o.Interceptors.Add<Recorder>("server", seen));
        using var channel = server.Channel();
        await CallAllAsync(new Echo.EchoClient(channel));
        Assert.Equal(["server Unary", "server Unary", "server ServerStream", "server ClientStream", "server Duplex"], seen);
    }

    [Fact]
    public async Task A_header_function_changes_what_the_server_gets()
    {
        await using EchoServer server = await EchoServer.StartAsync();
        using var channel = server.Channel();
        var client = new Echo.EchoClient(channel.Intercept(headers => [.. headers, new Metadata.Entry("x-added", "here")]));
        using var call = client.UnaryAsync(new EchoRequest(), cancellationToken: Token);
        await call;
        Assert.Equal("here", call.GetTrailers().GetValue("t-x-added"));
    }

    [Fact]
    public async Task Call_credentials_add_their_headers_in_order()
    {
        await using EchoServer server = await EchoServer.StartAsync();
        using var channel = server.Channel(new() { UnsafeUseInsecureChannelCallCredentials = true });
        CallCredentials credentials = CallCredentials.Compose(Adding("x-first"), Adding("x-second"));
        using var call = new Echo.EchoClient(channel).UnaryAsync(
            new EchoRequest(), new CallOptions(credentials: credentials, cancellationToken: Token));
        await call;
        Assert.Equal("Unary", call.GetTrailers().GetValue("t-x-first"));
        Assert.Equal("Unary", call.GetTrailers().GetValue("t-x-second"));

        static CallCredentials Adding(string key) => CallCredentials.FromInterceptor((context, metadata) =>
        {
            metadata.Add(key, context.MethodName);
            return Task.CompletedTask;
        });
    }

    [Fact]
    public void Call_credentials_need_a_secured_channel()
    {
        CallCredentials call = CallCredentials.FromInterceptor((_, _) => Task.CompletedTask);
        Assert.Throws<ArgumentException>(() => ChannelCredentials.Create(ChannelCredentials.Insecure, call));
        Assert.Throws<ArgumentException>(() => CallCredentials.Compose(call));
        using var channel = global::Grpc.Net.Client.GrpcChannel.ForAddress(
            "https://localhost", new() { Credentials = ChannelCredentials.Create(ChannelCredentials.SecureSsl, call) });
        Assert.Equal("localhost", channel.Target);
    }

    [Fact]
    public async Task A_client_keeps_its_transport_when_its_host_is_changed()
    {
        await using EchoServer server = await EchoServer.StartAsync();
        using var channel = server.Channel();
        Echo.EchoClient client = new Echo.EchoClient(channel).WithHost("other.example");
        Assert.Equal("hi", (await client.UnaryAsync(new EchoRequest { Text = "hi" }, cancellationToken: Token)).Text);
    }

    [Fact]
    public void A_definition_gives_its_methods_in_order_and_refuses_one_twice()
    {
        var binder = new Names();
        Echo.BindService(new EchoService(new EchoState())).BindService(binder);
        Assert.Equal(["Unary", "ServerStream", "ClientStream", "Duplex"], binder.Seen);

        var method = new Method<string, string>(
            MethodType.Unary, "s", "m", Marshallers.StringMarshaller, Marshallers.StringMarshaller);
        UnaryServerMethod<string, string> handler = (request, _) => Task.FromResult(request);
        Assert.Equal("/s/m", method.FullName);
        Assert.Throws<ArgumentException>(() => ServerServiceDefinition.CreateBuilder().AddMethod(method, handler).AddMethod(method, handler));
    }

    private static async Task CallAllAsync(Echo.EchoClient client)
    {
        await client.UnaryAsync(new EchoRequest(), cancellationToken: Token);
        client.Unary(new EchoRequest(), cancellationToken: Token);
        using (var call = client.ServerStream(new EchoRequest { Count = 2 }, cancellationToken: Token))
            Assert.Equal(2, await call.ResponseStream.ReadAllAsync(Token).CountAsync(Token));
        using (var call = client.ClientStream(cancellationToken: Token))
        {
            await call.RequestStream.CompleteAsync();
            await call;
        }
        using (var call = client.Duplex(cancellationToken: Token))
        {
            await call.RequestStream.CompleteAsync();
            Assert.False(await call.ResponseStream.MoveNext(Token));
        }
    }

    private sealed class Names : ServiceBinderBase
    {
        public List<string> Seen { get; } = [];

        public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse>? handler) =>
            Seen.Add(method.Name);

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method, ServerStreamingServerMethod<TRequest, TResponse>? handler) => Seen.Add(method.Name);

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method, ClientStreamingServerMethod<TRequest, TResponse>? handler) => Seen.Add(method.Name);

        public override void AddMethod<TRequest, TResponse>(
            Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TRequest, TResponse>? handler) => Seen.Add(method.Name);
    }
}
