using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace Reheat.Agent.Machine;

/// <summary>Something that happened in QEMU.</summary>
/// <param name="Name">"SHUTDOWN", "STOP" …</param>
/// <param name="Reason">Why, where the event says so: "guest-shutdown", "host-signal" …; else empty.</param>
internal readonly record struct QmpEvent(string Name, string Reason);

/// <summary>A connection to QEMU's monitor (QMP over a Unix socket). One command at a time; events go to a channel.</summary>
internal sealed class QmpClient : IAsyncDisposable
{
    // A QEMU that is stopped, by a debugger or a signal, answers nothing, and records must not wait for it for ever.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly TimeProvider _clock;
    private readonly Socket _socket;
    private readonly StreamReader _reader;
    private readonly Stream _stream;
    private readonly SemaphoreSlim _command = new(1);
    private readonly Channel<JsonObject> _answers = Channel.CreateBounded<JsonObject>(1);
    private readonly Channel<QmpEvent> _events = Channel.CreateBounded<QmpEvent>(new BoundedChannelOptions(256) { FullMode = BoundedChannelFullMode.DropOldest });
    private readonly CancellationTokenSource _ending = new();
    private Task _reading = Task.CompletedTask;

    private QmpClient(Socket socket, TimeProvider clock)
    {
        _clock = clock;
        _socket = socket;
        _stream = new NetworkStream(socket);
        _reader = new StreamReader(_stream, Encoding.UTF8);
    }

    /// <summary>Events as they come; ends with the connection.</summary>
    public ChannelReader<QmpEvent> Events => _events.Reader;

    /// <summary>Connects and negotiates.</summary>
    /// <exception cref="SocketException">Nobody listens.</exception>
    /// <exception cref="IOException">The connection ended, as it does when QEMU ends.</exception>
    public static async Task<QmpClient> ConnectAsync(string socketPath, TimeProvider clock, CancellationToken cancel)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(socketPath), cancel);
            var client = new QmpClient(socket, clock);
            if (await GreetingAsync(client, cancel) is null)
                throw new IOException($"{socketPath}: the monitor closed the connection without a greeting");
            client._reading = client.ReadAsync();
            await client.ExecuteAsync("qmp_capabilities", null, cancel);
            return client;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    // One that serves another client does not greet either.
    private static async Task<string?> GreetingAsync(QmpClient client, CancellationToken cancel)
    {
        using var patience = new CancellationTokenSource(Patience, client._clock);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancel, patience.Token);
        try
        {
            return await client._reader.ReadLineAsync(either.Token);
        }
        catch (OperationCanceledException e) when (!cancel.IsCancellationRequested)
        {
            throw new IOException($"the monitor did not greet within {Patience.TotalSeconds} s: QEMU is stopped, or another client has it", e);
        }
    }

    /// <summary>Runs a command and returns its <c>return</c> member.</summary>
    /// <exception cref="IOException">The connection ended, or QEMU refused the command.</exception>
    public async Task<JsonNode?> ExecuteAsync(string command, JsonObject? arguments, CancellationToken cancel)
    {
        await _command.WaitAsync(cancel);
        try
        {
            var request = new JsonObject { ["execute"] = command };
            if (arguments is not null)
                request["arguments"] = arguments;
            await _stream.WriteAsync(Encoding.UTF8.GetBytes(request.ToJsonString() + "\n"), cancel);
            // Not cancelled half-way: the next command would read this one's answer.
            JsonObject answer;
            try
            {
                answer = await _answers.Reader.ReadAsync(CancellationToken.None).AsTask().WaitAsync(Patience, _clock, CancellationToken.None);
            }
            catch (TimeoutException e)
            {
                _socket.Dispose(); // an answer that comes yet would be taken for another command's
                throw new IOException($"the monitor did not answer {command} within {Patience.TotalSeconds} s", e);
            }
            catch (ChannelClosedException e)
            {
                throw new IOException($"the monitor's connection ended before {command} was answered", e);
            }
            return answer["error"] is { } error
                ? throw new IOException($"the monitor refused {command}: {error["desc"]}")
                : answer["return"]?.DeepClone();
        }
        finally
        {
            _command.Release();
        }
    }

    /// <summary>Runs a command of the human monitor and returns its text.</summary>
    public async Task<string> HumanAsync(string commandLine, CancellationToken cancel) =>
        (await ExecuteAsync("human-monitor-command", new JsonObject { ["command-line"] = commandLine }, cancel))?.GetValue<string>() ?? "";

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _ending.CancelAsync();
        _socket.Dispose();
        await _reading;
        _reader.Dispose();
        await _stream.DisposeAsync();
        _command.Dispose();
        _ending.Dispose();
    }

    private async Task ReadAsync()
    {
        try
        {
            while (await _reader.ReadLineAsync(_ending.Token) is { } line)
            {
                if (JsonNode.Parse(line) is not JsonObject message)
                    continue;
                if (message["event"] is { } name)
                    _events.Writer.TryWrite(new QmpEvent(name.GetValue<string>(), message["data"]?["reason"]?.GetValue<string>() ?? ""));
                else if (message.ContainsKey("return") || message.ContainsKey("error"))
                    await _answers.Writer.WriteAsync(message, _ending.Token);
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException or JsonException)
        {
            // QEMU ended, or we do: whoever waits for an answer is told by the closed channel.
        }
        finally
        {
            _answers.Writer.TryComplete();
            _events.Writer.TryComplete();
        }
    }
}
