using System.Net;
using Grpc.AspNetCore.Server;
using Grpc.Net.Client;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Reheat.Collector.Health;
using Reheat.Collector.Reflection;
using Xunit;

namespace Reheat.Grpc.Tests.Fixtures;

/// <summary>The echo service with health and reflection on a Kestrel of its own: HTTP/2 without TLS, loopback, a free port.</summary>
internal sealed class EchoServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ServerLog _log;

    private EchoServer(WebApplication app, ServerLog log)
    {
        _app = app;
        _log = log;
        Uri = new Uri(app.Urls.Single());
    }

    public Uri Uri { get; }

    /// <summary>Host and port.</summary>
    public string Authority => Uri.Authority;

    public EchoState State => _app.Services.GetRequiredService<EchoState>();

    public ServiceHealth Health => _app.Services.GetRequiredService<ServiceHealth>();

    public ServerLog Log => _log;

    public static async Task<EchoServer> StartAsync(Action<GrpcServiceOptions>? options = null)
    {
        var log = new ServerLog();
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(k => k.Listen(IPAddress.Loopback, 0, l => l.Protocols = HttpProtocols.Http2));
        builder.Logging.AddProvider(log);
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton<EchoState>();
        builder.Services.AddGrpc(options ?? (_ => { }));
        builder.Services.AddReheatHealth();
        builder.Services.AddReheatReflection();
        WebApplication app = builder.Build();
        app.MapGrpcService<EchoService>();
        app.MapReheatHealth();
        app.MapReheatReflection();
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new EchoServer(app, log);
    }

    public GrpcChannel Channel(GrpcChannelOptions? options = null) => GrpcChannel.ForAddress(Uri, options ?? new GrpcChannelOptions());

    public Task StopAsync() => _app.StopAsync(TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
        Assert.Empty(_log.Errors);
    }
}
