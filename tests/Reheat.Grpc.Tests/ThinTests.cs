using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Reheat.Grpc.Tests.Protos;
using Xunit;

namespace Reheat.Grpc.Tests;

public sealed class EchoService : Echo.EchoBase
{
    public override Task<EchoReply> Unary(EchoRequest request, ServerCallContext context) =>
        Task.FromResult(new EchoReply { Text = request.Text, Payload = request.Payload });
}

public sealed class ThinTests
{
    [Fact]
    public async Task A_unary_call_goes_through()
    {
        var builder = WebApplication.CreateBuilder();
        builder.WebHost.ConfigureKestrel(k => k.Listen(System.Net.IPAddress.Loopback, 0, l => l.Protocols = HttpProtocols.Http2));
        builder.Services.AddGrpc();
        await using WebApplication app = builder.Build();
        app.MapGrpcService<EchoService>();
        await app.StartAsync(TestContext.Current.CancellationToken);
        using GrpcChannel channel = GrpcChannel.ForAddress(app.Urls.First());
        EchoReply reply = await new Echo.EchoClient(channel).UnaryAsync(new EchoRequest { Text = "hi" }, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal("hi", reply.Text);
    }
}
