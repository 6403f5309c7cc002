using System.Collections;
using System.Threading.Channels;
using Grpc.Core;
using Reheat.Collector.Ingest.Wire;
using Reheat.Collector.Limits;
using Reheat.Core;
using Reheat.Store.Ingest;
using Reheat.V1;

namespace Reheat.Collector.Ingest;

/// <summary>One open stream: its identity, its dictionary, and the answers on their way back.</summary>
internal sealed class StreamSession
{
    // Bounded, and nobody waits for room: the committer serves all streams, and must not stand still for one that reads nothing.
    private readonly Channel<IngestResponse> _answers;
    private readonly int _maxUnread;
    private readonly BatchDecoder _decoder;
    private readonly AddedSites? _addedByToken;
    private readonly Lock _askedLock = new();
    private readonly BitArray _named = new(0);
    private readonly BitArray _asked = new(0);
    private readonly BitArray _told = new(0);
    private readonly TaskCompletionSource<Status> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _underWay;
    private volatile bool _inputEnded;

    public StreamSession(Hello hello, LeaseGrant grant, StreamDictionary dictionary, int maxUnread, Admitted admitted)
    {
        Limits = admitted.Limits;
        _addedByToken = admitted.Added;
        _maxUnread = maxUnread;
        _answers = Channel.CreateBounded<IngestResponse>(new BoundedChannelOptions(maxUnread) { SingleReader = true });
        Dictionary = dictionary;
        _decoder = new BatchDecoder(dictionary, [.. hello.Rings.Select(r => unchecked((int)r))]);
        AddedSites = grant.NewSites;
        Identity = new StreamIdentity(hello.Wedge, unchecked((long)hello.Epoch), grant.Lease, WedgeSketch.BitOf(hello.Wedge), admitted.Token);
    }

    public StreamIdentity Identity { get; }

    public StreamDictionary Dictionary { get; }

    /// <summary>Completes, with the status for the client, when the collector ends the stream: its lease is lost, say, or its answers are not read.</summary>
    public Task<Status> Ended => _ended.Task;

    /// <summary>Sites that its wedge was the first to name, as far as is committed.</summary>
    public long AddedSites { get; private set; }

    /// <summary>What it is held to.</summary>
    public StreamLimits Limits { get; }

    /// <summary>The limit of new sites that so many more go beyond, its wedge's or its token's, and how many were added; or null.</summary>
    public (StreamLimit Limit, long Added)? BeyondSites(int more) =>
        AddedSites + more > Limits.WedgeSites.Most ? (Limits.WedgeSites, AddedSites)
        : Limits.TokenSites is { } token && _addedByToken!.Count + more > token.Most ? (token, _addedByToken.Count)
        : null;

    /// <summary>The rates that it is held to.</summary>
    public IReadOnlyList<RateLimit> Rates { get; init; } = [];

    /// <summary>When the last message came, by the collector's monotonic clock.</summary>
    public long LastHeard { get; set; }

    public ChannelReader<IngestResponse> Answers => _answers.Reader;

    /// <summary>Checks and folds a batch, and makes it ready for the committer.</summary>
    /// <returns>Null, or what is wrong with the batch.</returns>
    public string? Prepare(WireBatch batch, TimeBucket bucket, bool clamped, out PendingBatch? pending)
    {
        pending = null;
        if (_decoder.Fold(batch, out CountRow[] rows) is { } wrong)
            return wrong;
        KeyTable keys = Dictionary.Keys;
        if (_named.Length < Dictionary.Count)
            _named.Length = Dictionary.Count;
        List<int>? newKeys = null, named = null;
        HashSet<BuildId>? images = null;
        long traps = 0, hits = 0;
        ReadOnlySpan<int> touched = _decoder.Touched;
        for (int i = 0; i < rows.Length; i++)
        {
            int index = touched[i];
            if (Dictionary.OutcomeOf(index) == Core.Outcome.Trap)
                traps += rows[i].Executions;
            else
                hits += rows[i].Executions;
            if (!_named[index])
            {
                _named[index] = true;
                (named ??= []).Add(index);
            }
            if (keys.IsStored(rows[i].Key))
                continue;
            (newKeys ??= []).Add(rows[i].Key);
            (images ??= []).Add(keys.Site(rows[i].Key).Image);
        }
        Interlocked.Increment(ref _underWay);
        pending = new PendingBatch(
            new IngestBatch
            {
                Stream = Identity,
                Ring = unchecked((int)batch.Ring),
                From = (long)batch.From,
                To = (long)batch.To,
                Keys = keys,
                Rows = rows,
                Traps = traps,
                Hits = hits,
                NewKeys = newKeys ?? [],
                Drops = [.. batch.Drops.Select(d => new DropRow((short)d.Reason, (long)d.Traps, (long)d.Records, (long)d.Hits))],
                Counters = batch.Counters is { } c
                    ? new WedgeCounters(
                        (long)c.Traps, (long)c.DroppedTraps, (long)c.DroppedRecords, (long)c.OutsideTraps, (long)c.Spurious, (long)c.Hits, (long)c.DroppedHits)
                    : null,
                Bucket = bucket,
                Clamped = clamped,
            }, images ?? [], named ?? [], this);
        return null;
    }

    /// <summary>Called by the committer when a batch's fate is known.</summary>
    /// <param name="pending">The batch.</param>
    /// <param name="acknowledge">False if a batch that is decided next is of the same ring, and its acknowledgement is for both.</param>
    public void Decided(PendingBatch pending, bool acknowledge)
    {
        IngestBatch batch = pending.Batch;
        switch (batch.Fate)
        {
            case BatchFate.Counted or BatchFate.Duplicate:
                AddedSites += batch.AddedSites;
                if (acknowledge)
                    Answer(new IngestResponse { Ack = new Ack { Ring = (uint)batch.Ring, Position = (ulong)batch.Mark } });
                break;
            case BatchFate.Gap or BatchFate.Overlap:
                Refuse((uint)batch.Ring, (ulong)batch.From, (ulong)batch.To,
                    batch.Fate == BatchFate.Gap ? RefusalReason.Gap : RefusalReason.Overlap, (ulong)batch.Mark,
                    $"ring {batch.Ring}: positions [{batch.From}, {batch.To}) do not begin at the mark {batch.Mark} — cut the batch anew from there");
                break;
            case BatchFate.Unstorable:
                Refuse((uint)batch.Ring, (ulong)batch.From, (ulong)batch.To, RefusalReason.Malformed, (ulong)batch.Mark,
                    $"ring {batch.Ring}: positions [{batch.From}, {batch.To}) cannot be stored: {batch.Fault}");
                break;
            case BatchFate.Pending:
                break; // its stream was ended
            default:
                End(new Status(StatusCode.Aborted, $"another agent holds wedge {Identity.Wedge} now — stop one of the two"));
                break;
        }
        Withdraw();
    }

    /// <summary>A batch that was prepared will not be decided, or has been.</summary>
    public void Withdraw()
    {
        if (Interlocked.Decrement(ref _underWay) == 0 && _inputEnded)
            _answers.Writer.TryComplete();
    }

    public void Refuse(uint ring, ulong from, ulong to, RefusalReason reason, ulong expected, string message) =>
        Answer(new IngestResponse
        {
            Refused = new BatchRefused { Ring = ring, From = from, To = to, Reason = reason, Expected = expected, Message = message },
        });

    /// <summary>Asks for the bytes of these entries' sites, each once.</summary>
    public void Want(IReadOnlyList<int> indexes)
    {
        var wanted = new WantedSites();
        var sites = new HashSet<SiteId>();
        lock (_askedLock)
        {
            foreach (int index in indexes)
            {
                if (_asked.Length <= index)
                    _asked.Length = Dictionary.Count;
                if (_asked[index] || !sites.Add(Dictionary.Site(index).Site))
                    continue;
                _asked[index] = true;
                wanted.Site.Add((uint)index);
            }
        }
        if (wanted.Site.Count > 0)
            Answer(new IngestResponse { WantedSites = wanted });
    }

    /// <summary>True, once, for an entry whose bytes this stream was asked for; nobody may tell what they were not asked for.</summary>
    public bool MayTell(int index)
    {
        lock (_askedLock)
        {
            if (_asked.Length <= index || !_asked[index])
                return false;
            if (_told.Length <= index)
                _told.Length = _asked.Length;
            bool told = _told[index];
            _told[index] = true;
            return !told;
        }
    }

    public void Answer(IngestResponse response)
    {
        if (!_answers.Writer.TryWrite(response) && !_answers.Reader.Completion.IsCompleted && _answers.Reader.Count >= _maxUnread)
        {
            End(new Status(StatusCode.ResourceExhausted,
                $"wedge {Identity.Wedge} leaves {_maxUnread} answers unread: at most {_maxUnread} (Collector:MaxUnreadAnswers) — read answers while sending"));
        }
    }

    /// <summary>Ends the stream from this side. Batches that wait for their commit are not counted any more: they will come again.</summary>
    public void End(Status reason)
    {
        _ended.TrySetResult(reason);
        _answers.Writer.TryComplete();
    }

    /// <summary>No more requests will come; the answers end when the last batch under way is decided.</summary>
    public void EndInput()
    {
        _inputEnded = true;
        Interlocked.MemoryBarrier(); // the other side counts down, and then looks at what was just set
        if (Volatile.Read(ref _underWay) == 0)
            _answers.Writer.TryComplete();
    }

    /// <summary>Ends the answers at once.</summary>
    public void Abort(RpcException reason) => _answers.Writer.TryComplete(reason);
}
