using Npgsql;
using Reheat.Store.Storage;

namespace Reheat.Collector.Limits;

/// <summary>Counts what is refused for a limit, and tells the database now and then: operators see who meets which limit, by SQL.</summary>
internal sealed class RefusalCounts(RefusalStore store, TimeProvider clock, ILogger<RefusalCounts> log) : BackgroundService
{
    // Names come from outside: what is more than so many between two flushes is counted together.
    private const int MaxSubjects = 200;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    private readonly Lock _lock = new();
    private Dictionary<(string Subject, string Limit), RefusalRow> _rows = [];

    /// <summary>Counts a refusal.</summary>
    /// <param name="exceeded">The limit, whose it is, and what was asked for.</param>
    public void Count(in ExceededLimit exceeded)
    {
        (string subject, string limit, long allowed, long asked) = exceeded;
        lock (_lock)
        {
            if (_rows.Count >= MaxSubjects && !_rows.ContainsKey((subject, limit)))
                subject = "others";
            long refused = _rows.TryGetValue((subject, limit), out RefusalRow? before) ? before.Refused : 0;
            _rows[(subject, limit)] = new RefusalRow(subject, limit, allowed, refused + 1, asked);
        }
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
                await FlushAsync(stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
        }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        await FlushAsync(cancellationToken);
    }

    private async Task FlushAsync(CancellationToken cancel)
    {
        Dictionary<(string, string), RefusalRow> rows;
        lock (_lock)
        {
            if (_rows.Count == 0)
                return;
            (rows, _rows) = (_rows, []);
        }
        try
        {
            await store.AddAsync([.. rows.Values], cancel);
        }
        catch (NpgsqlException e)
        {
            // Counts of refusals, not of traps: those of an outage are not worth memory without end.
            Log.RefusalsLost(log, rows.Values.Sum(r => r.Refused), e.Message);
        }
    }
}
