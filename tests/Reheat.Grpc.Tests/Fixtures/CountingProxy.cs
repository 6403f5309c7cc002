using System.Net;
using System.Net.Sockets;

namespace Reheat.Grpc.Tests.Fixtures;

/// <summary>Passes bytes between clients and a server and counts them: what is on the wire cannot be argued away.</summary>
internal sealed class CountingProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stop = new();
    private readonly int _targetPort;
    private readonly Task _accepting;
    private long _up;
    private long _down;

    public CountingProxy(int targetPort)
    {
        _targetPort = targetPort;
        _listener.Start();
        Authority = $"127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";
        _accepting = AcceptAsync();
    }

    /// <summary>Host and port to connect to.</summary>
    public string Authority { get; }

    /// <summary>Bytes from clients to the server.</summary>
    public long Up => Interlocked.Read(ref _up);

    /// <summary>Bytes from the server to clients.</summary>
    public long Down => Interlocked.Read(ref _down);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var passing = new List<Task>();
        try
        {
            while (true)
                passing.Add(PassAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(passing);
        }
    }

    private async Task PassAsync(TcpClient client)
    {
        using (client)
        using (var server = new TcpClient())
        {
            await server.ConnectAsync(IPAddress.Loopback, _targetPort, _stop.Token);
            Task up = CopyAsync(client.GetStream(), server.GetStream(), n => Interlocked.Add(ref _up, n));
            Task down = CopyAsync(server.GetStream(), client.GetStream(), n => Interlocked.Add(ref _down, n));
            await Task.WhenAny(up, down);
        }
    }

    private async Task CopyAsync(NetworkStream from, NetworkStream to, Action<int> count)
    {
        byte[] buffer = new byte[16384];
        try
        {
            while (await from.ReadAsync(buffer, _stop.Token) is > 0 and int n)
            {
                count(n);
                await to.WriteAsync(buffer.AsMemory(0, n), _stop.Token);
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or OperationCanceledException)
        {
            // One side hung up; the other copy ends with it.
        }
    }
}
