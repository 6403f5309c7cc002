using System.Collections.Concurrent;
using Grpc.Core;
using Npgsql;
using Reheat.Store.Ingest;

namespace Reheat.Collector.Ingest;

/// <summary>
/// Takes and gives back leases, a few at a time: ten thousand agents that come back after an outage wait here, and not for connections to the database, of which
/// the commits need theirs. Renews the leases of all open streams that were heard of lately, in one statement every third of a lease.
/// </summary>
internal sealed class LeaseKeeper(WedgeStore wedges, CollectorOptions options, TimeProvider clock, ILogger<LeaseKeeper> log) : BackgroundService
{
    private const int AtATime = 8;

    private readonly ConcurrentDictionary<StreamSession, byte> _open = new();
    private readonly SemaphoreSlim _door = new(AtATime);

    /// <summary>Takes a wedge's lease.</summary>
    public async Task<LeaseGrant> OpenAsync(WedgeHello hello, DateTimeOffset forgottenBefore, CancellationToken cancel)
    {
        await _door.WaitAsync(cancel);
        try
        {
            return await wedges.OpenAsync(hello, options.Lease, forgottenBefore, cancel);
        }
        finally
        {
            _door.Release();
        }
    }

    /// <summary>Ends a stream's lease.</summary>
    public async Task ReleaseAsync(StreamSession stream)
    {
        await _door.WaitAsync();
        try
        {
            await wedges.ReleaseAsync(stream.Identity.Wedge, stream.Identity.Lease, CancellationToken.None);
        }
        finally
        {
            _door.Release();
        }
    }

    public override void Dispose()
    {
        base.Dispose();
        _door.Dispose();
    }

    public void Add(StreamSession stream) => _open.TryAdd(stream, 0);

    public void Remove(StreamSession stream) => _open.TryRemove(stream, out _);

    /// <summary>Ends all open streams with this reason.</summary>
    public void EndAll(Status reason)
    {
        foreach (StreamSession stream in _open.Keys)
            stream.End(reason);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(options.Lease / 3, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
            {
                (string, long)[] heard = [.. _open.Keys
                    .Where(s => clock.GetElapsedTime(s.LastHeard) < options.Lease)
                    .Select(s => (s.Identity.Wedge, s.Identity.Lease))];
                if (heard.Length == 0)
                    continue;
                try
                {
                    await wedges.RenewAsync(heard, options.Lease, stoppingToken);
                }
                catch (NpgsqlException e)
                {
                    Log.RenewFailed(log, e.Message);
                }
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }
}
