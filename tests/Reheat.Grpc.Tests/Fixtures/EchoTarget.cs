using Grpc.Net.Client;
using Reheat.Grpc.Tests.Protos;
using Xunit;

namespace Reheat.Grpc.Tests.Fixtures;

/// <summary>Whose echo service our client calls.</summary>
public enum Target
{
    /// <summary>Ours.</summary>
    Own,

    /// <summary>@grpc/grpc-js's.</summary>
    GrpcJs,

    /// <summary>grpcio's.</summary>
    Grpcio,
}

/// <summary>A running echo service of either kind behind a counting proxy, with a channel of our client to it.</summary>
internal sealed class EchoTarget : IAsyncDisposable
{
    private readonly EchoServer? _own;
    private readonly PeerProcess? _foreign;

    private EchoTarget(EchoServer? own, PeerProcess? foreign, int port)
    {
        _own = own;
        _foreign = foreign;
        Proxy = new CountingProxy(port);
        Channel = GrpcChannel.ForAddress($"http://{Proxy.Authority}");
        Client = new Echo.EchoClient(Channel);
    }

    public CountingProxy Proxy { get; }

    public GrpcChannel Channel { get; }

    public Echo.EchoClient Client { get; }

    public static async Task<EchoTarget> StartAsync(Target target)
    {
        if (target == Target.Own)
        {
            EchoServer own = await EchoServer.StartAsync(o => o.ResponseCompressionAlgorithm = "gzip");
            return new EchoTarget(own, null, own.Uri.Port);
        }
        PeerProcess foreign = await Peers.StartServerAsync(target == Target.GrpcJs ? Peer.GrpcJs : Peer.Grpcio);
        return new EchoTarget(null, foreign, int.Parse(await foreign.ReadLineAsync(), System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>Calls that the service saw cancelled.</summary>
    public async Task<int> CancelledAsync() => _own is not null
        ? _own.State.Cancelled
        : (await Client.UnaryAsync(new EchoRequest { Text = "cancelled?" }, cancellationToken: TestContext.Current.CancellationToken)).Index;

    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        await Proxy.DisposeAsync();
        if (_own is not null)
            await _own.DisposeAsync();
        if (_foreign is not null)
            await _foreign.DisposeAsync();
    }
}
