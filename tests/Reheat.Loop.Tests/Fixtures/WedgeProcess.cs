using System.Diagnostics;
using System.Globalization;
using Reheat.Core;
using Reheat.Core.Ring;

namespace Reheat.Loop.Tests.Fixtures;

/// <summary>The C producer as a process: an independent writer of rings, told what to do line by line.</summary>
internal sealed class WedgeProcess : IDisposable
{
    private static readonly CProgram Program = new("producer");

    private readonly Process _process;

    private WedgeProcess(string session, Process process)
    {
        Session = session;
        _process = process;
    }

    public string Session { get; }

    public int ProcessId => _process.Id;

    public static async Task<WedgeProcess> StartAsync(string session, ulong capacity = 1 << 12, int rings = 1, ulong epoch = 0xabc, params string[] targets)
    {
        long created = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1_000_000;
        var start = new ProcessStartInfo(Program.Path) { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (string argument in (IEnumerable<string>)[session, Text(capacity), Text(epoch), Text((ulong)created), Text((ulong)rings), .. targets.DefaultIfEmpty("lapic")])
            start.ArgumentList.Add(argument);
        var wedge = new WedgeProcess(session, Tool.Start(start));
        if (await wedge._process.StandardOutput.ReadLineAsync() != "ready")
            throw new InvalidOperationException("the producer did not start");
        return wedge;
    }

    public Task<ulong> PushAsync(
        ulong ip, int repeat = 1, int ring = 0, Operation operation = Operation.DeviceWrite, int size = 4, int target = 0, uint elements = 1,
        RecordFlags flags = RecordFlags.None, ulong access = 0xfee00000) =>
        NumberAsync($"push {ring} 0x{ip:x} 0x{access:x} {(byte)operation} {size} {target} {elements} {(byte)flags} {repeat}");

    /// <summary>Pushes a count of hits: 1, or 0 if the ring is full.</summary>
    public Task<ulong> CountAsync(ulong ip, uint count, Operation operation, RecordFlags flags = RecordFlags.None) =>
        NumberAsync($"count 0 0x{ip:x} 0xfee00000 {(byte)operation} 4 0 {count} {(byte)flags}");

    /// <summary>Pushes <paramref name="count"/> records of random sites without loss, over all rings in turn.</summary>
    public Task FeedAsync(int seed, int count, ulong firstSite, int step, int sites, int group = 1, int pauseMicroseconds = 0) =>
        CommandAsync($"feed {seed} {count} 0x{firstSite:x} {step} {sites} {group} {pauseMicroseconds}");

    /// <summary>How often each site was pushed by <see cref="FeedAsync"/>.</summary>
    public async Task<long[]> FedAsync(int sites) =>
        [.. (await CommandAsync($"fed {sites}")).Split(' ').Select(n => long.Parse(n, CultureInfo.InvariantCulture))];

    public async Task<(ulong Head, ulong Tail, ulong Traps, ulong DroppedTraps, ulong DroppedRecords)> CountersAsync(int ring = 0)
    {
        ulong[] n = [.. (await CommandAsync($"counters {ring}")).Split(' ').Select(t => ulong.Parse(t, CultureInfo.InvariantCulture))];
        return (n[0], n[1], n[2], n[3], n[4]);
    }

    public async Task<ulong> NumberAsync(string command) => ulong.Parse(await CommandAsync(command), CultureInfo.InvariantCulture);

    public async Task<string> CommandAsync(string command)
    {
        await _process.StandardInput.WriteLineAsync(command);
        await _process.StandardInput.FlushAsync();
        return await _process.StandardOutput.ReadLineAsync() ?? throw new InvalidOperationException($"the producer ended at: {command}");
    }

    /// <summary>Ends in order.</summary>
    public async Task CloseAsync()
    {
        await CommandAsync("close");
        _process.StandardInput.Close();
        await _process.WaitForExitAsync();
    }

    /// <summary>kill -9.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
    }

    private static string Text(ulong n) => n.ToString(CultureInfo.InvariantCulture);
}
