using System.Threading.Channels;
using Grpc.Core;
using Npgsql;
using Reheat.Collector.Health;
using Reheat.Collector.Limits;
using Reheat.Core;
using Reheat.Store.Ingest;
using Reheat.V1;

namespace Reheat.Collector.Ingest;

/// <summary>
/// Group commit: batches of all streams are gathered for a short interval and go into one transaction. The queue is bounded, so that a slow
/// database slows the streams down by flow control and never grows memory.
/// </summary>
internal sealed class Committer(
    IngestStore ingest, SiteStore sites, TargetStore targets, KeyTables keys, LeaseKeeper streams, Admission admission, ServiceHealth health, CollectorOptions options,
    TimeProvider clock, ILogger<Committer> log)
    : BackgroundService
{
    // Rows of one transaction before they are folded: beyond that a commit takes so long that acknowledgements lag.
    private const int MaxGroupRows = 1_000_000;

    // What is known of instruction bytes is looked at anew after so long: the recompiler may have come to doubt them.
    private static readonly TimeSpan CodePeriod = TimeSpan.FromSeconds(30);

    // Streams that may read while the queue is full or was a moment ago.
    private const int TurnsAtATime = 64;

    // How often a stream that waits is known to live.
    private static readonly TimeSpan Told = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan FirstRetry = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LastRetry = TimeSpan.FromSeconds(5);

    private readonly Channel<PendingBatch> _queue = Channel.CreateBounded<PendingBatch>(
        new BoundedChannelOptions(options.QueuedBatches) { SingleReader = true });

    private readonly SemaphoreSlim _turns = new(TurnsAtATime);
    private long _queuedRows;
    private TaskCompletionSource _halfFull = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource _room = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Why streams end when the database is found to be another one.</summary>
    public static Status Replaced { get; } = new(StatusCode.Unavailable, $"{new DatabaseReplacedException().Message} — connect again");

    /// <summary>Waits for room in the queue: for batches, and for the rows in them.</summary>
    public async ValueTask EnqueueAsync(PendingBatch batch, CancellationToken cancel)
    {
        while (IsFull)
        {
            Task room = Volatile.Read(ref _room).Task;
            if (IsFull)
                await Task.WhenAny(room, Task.Delay(Told, clock, cancel));
            cancel.ThrowIfCancellationRequested();
            batch.Stream.LastHeard = clock.GetTimestamp(); // who is made to wait keeps its lease
        }
        Interlocked.Add(ref _queuedRows, batch.Batch.Rows.Length);
        try
        {
            await _queue.Writer.WriteAsync(batch, cancel);
        }
        catch
        {
            LeaveRoom(batch.Batch.Rows.Length); // a stream that ended while it waited leaves nothing behind
            throw;
        }
        if (IsHalfFull)
            Volatile.Read(ref _halfFull).TrySetResult();
    }

    /// <summary>
    /// Waits until a stream may read its next request. At once while there is room; beyond that a few at a time, so that flow control holds back those that have much to say. What is
    /// held here is no more than one request a stream, of those that were waiting for one when the room went.
    /// </summary>
    /// <param name="waiting">Called every now and then while it waits: who is made to wait keeps its lease.</param>
    /// <param name="cancel">Cancels.</param>
    /// <returns>The turn, or null if nobody has to wait.</returns>
    public async ValueTask<Turn?> TurnAsync(Action waiting, CancellationToken cancel)
    {
        if (!IsHalfFull)
            return null;
        Task entered = _turns.WaitAsync(cancel);
        while (await Task.WhenAny(entered, Task.Delay(Told, clock, cancel)) != entered && !cancel.IsCancellationRequested)
            waiting();
        await entered;
        try
        {
            while (IsFull)
            {
                Task room = Volatile.Read(ref _room).Task;
                if (IsFull)
                    await Task.WhenAny(room, Task.Delay(Told, clock, cancel));
                cancel.ThrowIfCancellationRequested();
                waiting();
            }
            return new Turn(_turns);
        }
        catch
        {
            _turns.Release();
            throw;
        }
    }

    /// <summary>A stream's right to read while others wait; given back once.</summary>
    /// <param name="turns">What it goes back to.</param>
    internal sealed class Turn(SemaphoreSlim turns) : IDisposable
    {
        /// <summary>Who has a turn and nothing to say for so long gives it to another.</summary>
        public static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(20);

        private SemaphoreSlim? _turns = turns;

        /// <inheritdoc/>
        public void Dispose() => Interlocked.Exchange(ref _turns, null)?.Release();
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        base.Dispose();
        _turns.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            long last = clock.GetTimestamp();
            while (await _queue.Reader.WaitToReadAsync(stoppingToken))
            {
                await GatherAsync(last, stoppingToken);
                last = clock.GetTimestamp();
                List<PendingBatch> group = TakeGroup();
                if (group.Count == 0)
                    continue;
                await CommitAsync(group, stoppingToken);
                LeaveRoom(group.Sum(p => (long)p.Batch.Rows.Length));
                Decide(group);
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

    private void LeaveRoom(long rows)
    {
        Interlocked.Add(ref _queuedRows, -rows);
        Interlocked.Exchange(ref _room, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();
    }

    /// <summary>Lets batches come together until an interval has passed since the last group, or until so many wait that senders would come to stand still.</summary>
    private async Task GatherAsync(long last, CancellationToken cancel)
    {
        TimeSpan left = options.CommitInterval - clock.GetElapsedTime(last);
        if (left <= TimeSpan.Zero || IsHalfFull)
            return;
        Task full = Volatile.Read(ref _halfFull).Task;
        if (!IsHalfFull)
            await Task.WhenAny(full, Task.Delay(left, clock, cancel));
        cancel.ThrowIfCancellationRequested();
        Volatile.Write(ref _halfFull, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
    }

    private bool IsFull => Volatile.Read(ref _queuedRows) > options.QueuedRows;

    private bool IsHalfFull => Volatile.Read(ref _queuedRows) > options.QueuedRows / 2 || _queue.Reader.Count > options.QueuedBatches / 2;

    /// <summary>Tells the streams. Acknowledgements are cumulative: one a ring, with the last of its batches.</summary>
    private static void Decide(List<PendingBatch> group)
    {
        var later = new HashSet<(StreamSession, int)>();
        var acknowledge = new bool[group.Count];
        for (int i = group.Count - 1; i >= 0; i--)
        {
            IngestBatch batch = group[i].Batch;
            // A refusal between two acknowledgements must find its place.
            if (batch.Fate is BatchFate.Counted or BatchFate.Duplicate)
                acknowledge[i] = later.Add((group[i].Stream, batch.Ring));
            else
                later.Remove((group[i].Stream, batch.Ring));
        }
        for (int i = 0; i < group.Count; i++)
            group[i].Stream.Decided(group[i], acknowledge[i]);
    }

    private List<PendingBatch> TakeGroup()
    {
        var group = new List<PendingBatch>();
        int rows = 0;
        while (rows < MaxGroupRows && _queue.Reader.TryRead(out PendingBatch? pending))
        {
            // An ended stream's batches were not acknowledged, and will come again; what their keys are may have been thrown away.
            if (pending.Stream.Ended.IsCompleted)
            {
                LeaveRoom(pending.Batch.Rows.Length);
                pending.Stream.Withdraw();
                continue;
            }
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
                    admission.Added(await ingest.CommitAsync(batches, changed, cancel));
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
                keys.Clear();
                targets.Forget();
                admission.ForgetAdded();
                streams.EndAll(Replaced);
                foreach (PendingBatch pending in group)
                {
                    pending.Batch.Fate = BatchFate.Pending;
                    pending.Stream.End(Replaced);
                }
                return;
            }
            // Data that the database cannot hold: no attempt mends it, and it must harm its own stream alone.
            catch (PostgresException e) when (!committed && IsUnstorable(e))
            {
                if (group.Count > 1)
                {
                    // One of them may find another database, and end the streams of all.
                    foreach (PendingBatch pending in group)
                    {
                        pending.Batch.Fate = BatchFate.Pending; // what it was set to is rolled back
                        if (!pending.Stream.Ended.IsCompleted)
                            await CommitAsync([pending], cancel);
                    }
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
                Log.CommitFailed(log, batches.Length, delay.TotalSeconds, e.Message);
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
        int period = 1 + (int)(clock.GetTimestamp() / (CodePeriod.TotalSeconds * clock.TimestampFrequency));
        var unsure = new HashSet<SiteId>();
        foreach (PendingBatch pending in taken)
        {
            StreamDictionary dictionary = pending.Stream.Dictionary;
            unsure.UnionWith(pending.Named.Where(i => !dictionary.Keys.HasCode(dictionary.Number(i), period)).Select(i => dictionary.Site(i).Site));
        }
        if (unsure.Count > 0)
        {
            HashSet<SiteId> without = [.. await sites.WithoutCodeAsync(unsure, cancel)];
            foreach (PendingBatch pending in taken)
            {
                StreamDictionary dictionary = pending.Stream.Dictionary;
                List<int> wanted = [];
                foreach (int index in pending.Named)
                {
                    if (without.Contains(dictionary.Site(index).Site))
                        wanted.Add(index);
                    else if (unsure.Contains(dictionary.Site(index).Site))
                        dictionary.Keys.SetHasCode(dictionary.Number(index), period);
                }
                if (wanted.Count > 0)
                    pending.Stream.Want(wanted);
            }
        }
        foreach (PendingBatch pending in taken.Where(p => p.Batch.Fate == BatchFate.Counted))
        {
            foreach (int key in pending.Batch.NewKeys)
                pending.Batch.Keys.SetStored(key);
        }
    }
}
