using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Reheat.Loop.Tests.Fixtures;

/// <summary>What a proxy does to what goes through it.</summary>
internal enum NetworkFault
{
    None,
    Delay,
    Drop,
    Corrupt,
}

/// <summary>A TCP proxy that passes on, delays, loses, changes and cuts, as it is told.</summary>
internal sealed class FaultyProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentDictionary<TcpClient, byte> _open = new();
    private readonly Random _random;
    private readonly int _target;
    private readonly Task _accepting;
    private volatile NetworkFault _fault;

    public FaultyProxy(int target, int seed)
    {
        (_target, _random) = (target, new Random(seed));
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Bytes that were changed so far.</summary>
    public int Changed { get; private set; }

    /// <summary>What happens to bytes from now on, in both directions.</summary>
    public void Set(NetworkFault fault) => _fault = fault;

    /// <summary>Ends all connections at once.</summary>
    public void Cut()
    {
        foreach (TcpClient client in _open.Keys)
            client.Close();
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener.Stop();
        Cut();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            TcpClient near = await _listener.AcceptTcpClientAsync(_stopping.Token);
            _ = ServeAsync(near);
        }
    }

    private async Task ServeAsync(TcpClient near)
    {
        using TcpClient far = new();
        using (near)
        {
            _open.TryAdd(near, 0);
            _open.TryAdd(far, 0);
            try
            {
                await far.ConnectAsync(IPAddress.Loopback, _target, _stopping.Token);
                near.NoDelay = far.NoDelay = true;
                await Task.WhenAny(PumpAsync(near.GetStream(), far.GetStream()), PumpAsync(far.GetStream(), near.GetStream()));
            }
            catch (Exception e) when (e is SocketException or IOException or OperationCanceledException or InvalidOperationException)
            {
                // An end that is gone; the other is closed as well.
            }
            _open.TryRemove(near, out _);
            _open.TryRemove(far, out _);
        }
    }

    private async Task PumpAsync(NetworkStream from, NetworkStream to)
    {
        byte[] buffer = new byte[16 << 10];
        try
        {
            while (await from.ReadAsync(buffer, _stopping.Token) is > 0 and var read)
            {
                switch (_fault)
                {
                    case NetworkFault.Drop:
                        continue;
                    case NetworkFault.Delay:
                        await Task.Delay(100, _stopping.Token);
                        break;
                    case NetworkFault.Corrupt:
                        lock (_random)
                        {
                            buffer[_random.Next(read)] ^= (byte)(1 << _random.Next(8));
                            Changed++;
                        }
                        break;
                }
                await to.WriteAsync(buffer.AsMemory(0, read), _stopping.Token);
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException or OperationCanceledException or SocketException)
        {
        }
    }
}
