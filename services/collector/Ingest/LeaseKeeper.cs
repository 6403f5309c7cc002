using System.Collections.Concurrent;
using Grpc.Core;
using Npgsql;
using Reheat.Store.Ingest;

namespace Reheat.Collector.Ingest;

/// <summary>Renews the leases of all open streams that were heard of lately, in one statement every third of a lease.</summary>
internal sealed class LeaseKeeper(WedgeStore wedges, CollectorOptions options, TimeProvider clock, ILogger<LeaseKeeper> log) : BackgroundService
{
    private readonly ConcurrentDictionary<StreamSession, byte> _open = new();

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
