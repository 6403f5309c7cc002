using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Reheat.Core;

namespace Reheat.Agent.Machine;

/// <summary>Keeps the memory map of the machine up to date over QMP for as long as QEMU answers.</summary>
internal sealed class MachineWatch(string? monitorSocket, TimeProvider clock, ILogger log) : IAsyncDisposable
{
    // A QEMU that ends closes its monitor first.
    private static readonly TimeSpan EndOfQemu = TimeSpan.FromSeconds(2);

    private readonly SemaphoreSlim _reading = new(1);
    private QmpClient? _monitor;
    private bool _gone;

    /// <summary>Whether the machine has ended: then nobody has to be told that its monitor is gone.</summary>
    public Func<bool> Ended { get; set; } = static () => false;

    /// <summary>Names of what was touched.</summary>
    public TargetNamer Namer { get; } = new();

    /// <summary>Reads the map. After the heads were sampled and before the records below them are named, so that maps enclose records.</summary>
    public async Task ReadMapAsync(CancellationToken cancel)
    {
        // Not there yet: QEMU makes it before the guest runs, an agent may be there first.
        if (monitorSocket is null || _gone || (_monitor is null && !File.Exists(monitorSocket)))
            return;
        await _reading.WaitAsync(cancel);
        try
        {
            _monitor ??= await QmpClient.ConnectAsync(monitorSocket, cancel);
            string text = await _monitor.HumanAsync("info mtree -f", cancel);
            if (MemoryMap.Parse(text, out Diagnostic? fault) is not { } map)
                Log.BadInput(log, fault!.ToString());
            else if (Namer.Add(map, clock.GetTimestamp()))
                Log.MemoryMapRead(log, map.Regions.Count);
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            _gone = true;
            if (await EndedAsync(cancel))
                Log.MonitorEnded(log, e.Message);
            else
                Log.MonitorGone(log, e.Message);
        }
        finally
        {
            _reading.Release();
        }
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
