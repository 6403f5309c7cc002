using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Reheat.Core;
using Reheat.Core.Ring;

namespace Reheat.Agent.Machine;

/// <summary>
/// Keeps the memory map of the machine up to date over QMP for as long as QEMU answers; what the map was at the end, the wedge's session says.
/// </summary>
internal sealed class MachineWatch(string? monitorSocket, string session, TimeProvider clock, ILogger log) : IAsyncDisposable
{
    // A QEMU that ends closes its monitor first.
    private static readonly TimeSpan EndOfQemu = TimeSpan.FromSeconds(2);

    // A QEMU that does not answer holds up whoever asks.
    private static readonly TimeSpan AskAgain = TimeSpan.FromMinutes(1);

    private readonly SemaphoreSlim _reading = new(1);
    private QmpClient? _monitor;
    private bool _gone, _lastRead;
    private long? _silentSince;

    /// <summary>Whether the machine has ended: then nobody has to be told that its monitor is gone.</summary>
    public Func<bool> Ended { get; set; } = static () => false;

    /// <summary>Names of what was touched.</summary>
    public TargetNamer Namer { get; } = new();

    /// <summary>Reads the map. After the heads were sampled and before the records below them are named, so that maps enclose records.</summary>
    public async Task ReadMapAsync(CancellationToken cancel)
    {
        await _reading.WaitAsync(cancel);
        try
        {
            // Not there yet: QEMU makes it before the guest runs, an agent may be there first.
            if (monitorSocket is not null && !_gone && (_monitor is not null || File.Exists(monitorSocket)))
                await AskAsync(monitorSocket, cancel);
            else
                ReadLast();
        }
        finally
        {
            _reading.Release();
        }
    }

    private async Task AskAsync(string socket, CancellationToken cancel)
    {
        if (_silentSince is { } since && clock.GetElapsedTime(since) < AskAgain)
            return;
        _silentSince = null;
        try
        {
            _monitor ??= await QmpClient.ConnectAsync(socket, clock, cancel);
            Add(await _monitor.HumanAsync("info mtree -f", cancel), "info mtree -f");
        }
        catch (IOException e) when (e.InnerException is TimeoutException or OperationCanceledException)
        {
            // Stopped, by a debugger or a signal, and perhaps not for good.
            Log.MonitorSilent(log, e.Message, AskAgain.TotalSeconds);
            if (_monitor is not null)
                await _monitor.DisposeAsync();
            (_monitor, _silentSince) = (null, clock.GetTimestamp());
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            _gone = true;
            bool ended = await EndedAsync(cancel);
            bool told = ReadLast();
            if (ended || told)
                Log.MonitorEnded(log, e.Message);
            else
                Log.MonitorGone(log, e.Message);
        }
    }

    /// <summary>The map as the wedge wrote it when it ended.</summary>
    /// <returns>True if there is one.</returns>
    private bool ReadLast()
    {
        string path = Path.Combine(session, RingFormat.MemoryMapFile);
        if (_lastRead || !File.Exists(path))
            return _lastRead;
        _lastRead = true;
        try
        {
            Add(File.ReadAllText(path), path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Log.BadInput(log, $"{path}: {e.Message}; addresses are named by what was read of the map before");
        }
        return true;
    }

    private void Add(string text, string source)
    {
        if (MemoryMap.Parse(text, out Diagnostic? fault, source) is not { } map)
            Log.BadInput(log, fault!.ToString());
        else if (Namer.Add(map, clock.GetTimestamp()))
            Log.MemoryMapRead(log, map.Regions.Count);
    }

    private async Task<bool> EndedAsync(CancellationToken cancel)
    {
        long start = clock.GetTimestamp();
        while (!Ended() && clock.GetElapsedTime(start) < EndOfQemu)
            await Task.Delay(TimeSpan.FromMilliseconds(20), clock, cancel);
        return Ended();
    }

    public async ValueTask DisposeAsync()
    {
        if (_monitor is not null)
            await _monitor.DisposeAsync();
        _reading.Dispose();
    }
}
