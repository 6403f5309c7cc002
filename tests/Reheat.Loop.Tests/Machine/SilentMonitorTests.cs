using System.Net.Sockets;
using Microsoft.Extensions.Time.Testing;
using Reheat.Agent.Machine;
using Reheat.Core;
using Reheat.Loop.Tests.Fixtures;
using Xunit;

namespace Reheat.Loop.Tests.Machine;

/// <summary>A QEMU that is stopped holds up nobody for long, and is asked again when it may go on.</summary>
public sealed class SilentMonitorTests : IAsyncLifetime
{
    private const string Map = "FlatView #0\n AS \"memory\", root: system\n 0-fff (prio 0, ram): pc.ram\n 1000-1fff (prio 1, i/o): e1000-mmio\n";

    private readonly Scratch _scratch = new();
    private readonly FakeTimeProvider _clock = new();
    private readonly LoopLog _log = new();
    private Socket _listener = null!;
    private MachineWatch _watch = null!;

    public ValueTask InitializeAsync()
    {
        string path = _scratch.File("qmp");
        _listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen();
        _watch = new MachineWatch(path, _scratch.File("session"), _clock, _log.For<MachineWatch>());
        return ValueTask.CompletedTask;
    }

    public async ValueTask DisposeAsync()
    {
        await _watch.DisposeAsync();
        _listener.Dispose();
        _scratch.Dispose();
    }

    [Theory]
    [InlineData(false, "did not greet within 30 s")]
    [InlineData(true, "did not answer human-monitor-command within 30 s")]
    public async Task A_monitor_that_does_not_answer_is_asked_again_after_a_minute(bool greets, string reason)
    {
        Task asked = _watch.ReadMapAsync(CancellationToken.None);
        using Socket silent = await _listener.AcceptAsync();
        if (greets)
            await GreetAsync(silent);
        await PassAsync(asked);
        Assert.Contains(reason, Assert.Single(_log.Warnings), StringComparison.Ordinal);
        Assert.Contains("asked again in 60 s", _log.Warnings[0], StringComparison.Ordinal);

        _clock.Advance(TimeSpan.FromSeconds(59));
        await _watch.ReadMapAsync(CancellationToken.None);
        Assert.False(_listener.Poll(0, SelectMode.SelectRead));
        Assert.Equal("unknown", _watch.Namer.Name(new PhysicalAddress(0x1080)));

        _clock.Advance(TimeSpan.FromSeconds(2));
        Task again = _watch.ReadMapAsync(CancellationToken.None);
        using Socket awake = await _listener.AcceptAsync();
        using StreamReader commands = await GreetAsync(awake);
        Assert.Contains("info mtree", await commands.ReadLineAsync(), StringComparison.Ordinal);
        await SayAsync(awake, System.Text.Json.JsonSerializer.Serialize(new Dictionary<string, string> { ["return"] = Map }));
        await again;
        Assert.Equal("e1000", _watch.Namer.Name(new PhysicalAddress(0x1080)));
        Assert.Single(_log.Warnings);
    }

    // Its timer may be set a moment from now, and it may end a moment after that.
    private async Task PassAsync(Task waiting)
    {
        while (await Task.WhenAny(waiting, Task.Delay(TimeSpan.FromSeconds(1))) != waiting)
            _clock.Advance(TimeSpan.FromSeconds(30));
        await waiting;
    }

    private static async Task<StreamReader> GreetAsync(Socket monitor)
    {
        await SayAsync(monitor, """{"QMP": {}}""");
        var commands = new StreamReader(new NetworkStream(monitor));
        Assert.Contains("qmp_capabilities", await commands.ReadLineAsync(), StringComparison.Ordinal);
        await SayAsync(monitor, """{"return": {}}""");
        return commands;
    }

    private static async Task SayAsync(Socket monitor, string line) => await monitor.SendAsync(System.Text.Encoding.UTF8.GetBytes(line + "\n"));
}
