using System.Threading.Channels;
using Grpc.Core;
using Npgsql;
using Reheat.Collector.Health;
using Reheat.Core;
using Reheat.Store.Ingest;
using Reheat.V1;

namespace Reheat.Collector.Ingest;

/// <summary>
/// Group commit: batches of all streams are gathered for a short interval and go into one transaction. The queue is bounded, so that a slow
/// database slows the streams down by flow control and never grows memory.
/// </summary>
internal sealed class Committer(
    IngestStore ingest, SiteStore sites, TargetStore targets, KnownKeys known, LeaseKeeper streams, ServiceHealth health, CollectorOptions options,
    TimeProvider clock, ILogger<Committer> log)
    : BackgroundService
{
    // Distinct rows of one transaction: beyond that a commit takes so long that acknowledgements lag.
    private const int MaxGroupRows = 200_000;

    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LastRetry = TimeSpan.FromSeconds(5);

    private readonly Channel<PendingBatch> _queue = Channel.CreateBounded<PendingBatch>(
        new BoundedChannelOptions(options.QueuedBatches) { SingleReader = true });

    /// <summary>Waits for room in the queue.</summary>
    public ValueTask EnqueueAsync(PendingBatch batch, CancellationToken cancel) => _queue.Writer.WriteAsync(batch, cancel);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (await _queue.Reader.WaitToReadAsync(stoppingToken))
            {
                await Task.Delay(options.CommitInterval, clock, stoppingToken);
                List<PendingBatch> group = TakeGroup();
                await CommitAsync(group, stoppingToken);
                foreach (PendingBatch pending in group)
                    pending.Stream.Decided(pending);
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // What is not committed is not acknowledged; its senders cut it anew after the restart.
        }
        catch (Exception e)
        {
            Log.CommitterDied(log, e);
            throw;
        }
    }

    private List<PendingBatch> TakeGroup()
    {
        var group = new List<PendingBatch>();
        int rows = 0;
        while (rows < MaxGroupRows && _queue.Reader.TryRead(out PendingBatch? pending))
        {
            group.Add(pending);
            rows += pending.Batch.Rows.Length;
        }
        return group;
    }

    private async Task CommitAsync(List<PendingBatch> group, CancellationToken cancel)
    {
        IngestBatch[] batches = [.. group.Select(p => p.Batch)];
        BuildId[] changed = [.. group.SelectMany(p => p.ChangedImages).Distinct()];
        TimeSpan delay = FirstRetry;
        bool committed = false;
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                if (!committed)
                    await ingest.CommitAsync(batches, changed, cancel);
                committed = true;
                await LearnAsync(group, cancel);
                if (attempt > 1)
                    Log.CommitRecovered(log, attempt);
                health.Set(TraceIngest.Descriptor.FullName, serving: true);
                return;
            }
            // Open streams hold numbers of targets that mean others now, and sites that count as stored: they begin anew.
            catch (DatabaseReplacedException e)
            {
                Log.DatabaseReplaced(log, e.Message);
                known.Clear();
                targets.Forget();
                var reason = new Status(StatusCode.Unavailable, $"{e.Message} — connect again");
                streams.EndAll(reason);
                foreach (PendingBatch pending in group)
                {
                    pending.Batch.Fate = BatchFate.Pending;
                    pending.Stream.End(reason);
                }
                return;
            }
            // Data that the database cannot hold: no attempt mends it, and it must harm its own stream alone.
            catch (PostgresException e) when (!committed && IsUnstorable(e))
            {
                if (group.Count > 1)
                {
                    foreach (PendingBatch pending in group)
                        await CommitAsync([pending], cancel);
                    return;
                }
                IngestBatch batch = batches[0];
                (batch.Fate, batch.Mark, batch.Fault) = (BatchFate.Unstorable, batch.From, e.MessageText);
                Log.BatchRefused(log, batch.Stream.Wedge, (uint)batch.Ring, (ulong)batch.From, (ulong)batch.To, e.MessageText);
                return;
            }
            // Whatever failed, and even if COMMIT itself was on its way: the next attempt reads the marks anew.
            catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException)
            {
                Log.CommitFailed(log, batches.Length, delay, e.Message);
                // Load balancers send new streams elsewhere; those that are open wait.
                health.Set(TraceIngest.Descriptor.FullName, serving: false);
            }
            await Task.Delay(delay, clock, cancel);
            delay = TimeSpan.FromTicks(Math.Min(delay.Ticks * 2, LastRetry.Ticks));
        }
    }

    // Classes "data exception" and "integrity constraint violation". But a check violation without a constraint is "no partition of relation found
    // for row": the partition has gone since it was made, and the next attempt makes it again.
    private static bool IsUnstorable(PostgresException e) =>
        (e.SqlState.StartsWith("22", StringComparison.Ordinal) || e.SqlState.StartsWith("23", StringComparison.Ordinal))
        && (e.SqlState != PostgresErrorCodes.CheckViolation || !string.IsNullOrEmpty(e.ConstraintName));

    /// <summary>Remembers what is in the database now, and asks the streams for instruction bytes that are not.</summary>
    private async Task LearnAsync(List<PendingBatch> group, CancellationToken cancel)
    {
        // A duplicate may have been counted by an attempt whose answer was lost, so its sites are asked for; but it may also name sites
        // that were never counted, so it teaches nothing.
        PendingBatch[] taken = [.. group.Where(p => p.Batch.Fate is BatchFate.Counted or BatchFate.Duplicate)];
        // Each stream is asked once for each site that it names, also if others have named it before: what they told may be doubted.
        SiteId[] named = [.. taken.SelectMany(p => p.NamedSites).Distinct()];
        if (named.Length > 0)
        {
            HashSet<SiteId> without = [.. await sites.WithoutCodeAsync(named, cancel)];
            foreach (StreamSession stream in taken.Select(p => p.Stream).Distinct())
                stream.Want(without);
        }
        foreach (PendingBatch pending in taken.Where(p => p.Batch.Fate == BatchFate.Counted))
        {
            foreach (SiteRef site in pending.Batch.NewSites)
                known.Add(site.Site);
            foreach (CountKey key in pending.NewKeys)
                known.Add(key);
        }
    }
}
