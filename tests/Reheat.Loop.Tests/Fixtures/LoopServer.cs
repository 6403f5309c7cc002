using Grpc.Net.Client;
using Reheat.Collector;
using Reheat.Recompiler;
using Xunit;

namespace Reheat.Loop.Tests.Fixtures;

/// <summary>A collector on a real Kestrel, with a recompiler beside it if asked for; wired as <c>reheat up</c> wires them.</summary>
internal sealed class LoopServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly LoopLog _log = new();
    private readonly bool _errorsExpected;

    private LoopServer(string database, int port, bool recompiler, TimeProvider? clock, Func<CollectorOptions, CollectorOptions>? change, bool errorsExpected,
        Func<RecompilerOptions, RecompilerOptions>? changeRecompiler)
    {
        _errorsExpected = errorsExpected;
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders().AddProvider(_log);
        var options = new CollectorOptions { Database = database, Listen = $"127.0.0.1:{port}", CommitInterval = TimeSpan.FromMilliseconds(5) };
        builder.AddCollector(change?.Invoke(options) ?? options);
        if (recompiler)
        {
            var recompiling = new RecompilerOptions { Database = database, LookEvery = TimeSpan.FromMilliseconds(200), Claim = TimeSpan.FromSeconds(3) };
            builder.Services.AddRecompiler(changeRecompiler?.Invoke(recompiling) ?? recompiling);
        }
        if (clock is not null)
            builder.Services.AddSingleton(clock);
        _app = builder.Build();
        _app.MapCollector();
    }

    public Uri Address { get; private set; } = null!;

    public int Port => Address.Port;

    public LoopLog Log => _log;

    public IServiceProvider Services => _app.Services;

    public GrpcChannel Channel => field ??= GrpcChannel.ForAddress(Address);

    public V1.Builds.BuildsClient Builds => new(Channel);

    public V1.Annotations.AnnotationsClient Annotations => new(Channel);

    public V1.Coverage.CoverageClient Coverage => new(Channel);

    public static async Task<LoopServer> StartAsync(
        string database, int port = 0, bool recompiler = false, TimeProvider? clock = null, Func<CollectorOptions, CollectorOptions>? change = null,
        bool errorsExpected = false, Func<RecompilerOptions, RecompilerOptions>? changeRecompiler = null)
    {
        var server = new LoopServer(database, port, recompiler, clock, change, errorsExpected, changeRecompiler);
        await server._app.StartAsync();
        server.Address = CollectorHost.AddressOf(server._app.Services);
        return server;
    }

    /// <summary>A port that is free now, for a collector that starts later.</summary>
    public static int FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        listener.Start();
        return ((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }

    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
        if (!_errorsExpected)
            Assert.Empty(_log.Errors);
    }
}
