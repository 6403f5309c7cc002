using System.Collections.Concurrent;
using System.Threading.Channels;
using Grpc.Core;
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
    private readonly HashSet<SiteId> _named = [];
    private readonly ConcurrentDictionary<SiteId, byte> _asked = new();
    private readonly ConcurrentDictionary<SiteId, uint> _indexes = new();
    private readonly BatchDecoder _decoder;
    private readonly KnownKeys _known;
    private readonly TaskCompletionSource<Status> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _underWay;
    private volatile bool _inputEnded;

    public StreamSession(Hello hello, LeaseGrant grant, StreamDictionary dictionary, KnownKeys known, int maxUnread)
    {
        _maxUnread = maxUnread;
        _answers = Channel.CreateBounded<IngestResponse>(new BoundedChannelOptions(maxUnread) { SingleReader = true });
        Dictionary = dictionary;
        _known = known;
        _decoder = new BatchDecoder(dictionary, [.. hello.Rings.Select(r => unchecked((int)r))]);
        Identity = new StreamIdentity(hello.Wedge, unchecked((long)hello.Epoch), grant.Lease, WedgeSketch.BitOf(hello.Wedge));
    }

    public StreamIdentity Identity { get; }

    public StreamDictionary Dictionary { get; }

    /// <summary>Completes, with the status for the client, when the collector ends the stream: its lease is lost, say, or its answers are not read.</summary>
    public Task<Status> Ended => _ended.Task;

    /// <summary>When the last message came, by the collector's monotonic clock.</summary>
    public long LastHeard { get; set; }

    public ChannelReader<IngestResponse> Answers => _answers.Reader;

    /// <summary>What is wrong with the batch's columns, or null.</summary>
    public string? Check(Batch batch) => _decoder.Check(batch);

    /// <summary>Remembers which index a site has, for <see cref="Want"/>.</summary>
    public void Index(int firstNew)
    {
        for (int i = firstNew; i < Dictionary.Count; i++)
            _indexes.TryAdd(Dictionary.Site(i).Site, (uint)i);
    }

    /// <summary>Makes a checked batch ready for the committer.</summary>
    public PendingBatch Prepare(Batch batch, DateTime bucket, bool clamped)
    {
        CountRow[] rows = _decoder.Fold(batch);
        var newSites = new List<SiteRef>();
        var newKeys = new List<CountKey>();
        var named = new List<SiteId>();
        var images = new HashSet<BuildId>();
        foreach (int index in _decoder.Touched.Span)
        {
            CountKey key = Dictionary.Key(index);
            if (_named.Add(key.Site))
                named.Add(key.Site);
            if (_known.Contains(key))
                continue;
            SiteRef site = Dictionary.Site(index);
            newKeys.Add(key);
            images.Add(site.Image);
            if (!_known.Contains(site.Site))
                newSites.Add(site);
        }
        Interlocked.Increment(ref _underWay);
        return new PendingBatch(
            new IngestBatch
            {
                Stream = Identity,
                Ring = unchecked((int)batch.Ring),
                From = (long)batch.From,
                To = (long)batch.To,
                Rows = rows,
                NewSites = [.. newSites],
                Drops = [.. batch.Drops.Select(d => new DropRow((short)d.Reason, (long)d.Traps, (long)d.Records, (long)d.Hits))],
                Counters = batch.Counters is { } c
                    ? new WedgeCounters(
                        (long)c.Traps, (long)c.DroppedTraps, (long)c.DroppedRecords, (long)c.OutsideTraps, (long)c.Spurious, (long)c.Hits, (long)c.DroppedHits)
                    : null,
                Bucket = bucket,
                Clamped = clamped,
            }, newKeys, [.. images], named, this);
    }

    /// <summary>Called by the committer when a batch's fate is known.</summary>
    public void Decided(PendingBatch pending)
    {
        IngestBatch batch = pending.Batch;
        switch (batch.Fate)
        {
            case BatchFate.Counted or BatchFate.Duplicate:
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
        if (Interlocked.Decrement(ref _underWay) == 0 && _inputEnded)
            _answers.Writer.TryComplete();
    }

    public void Refuse(uint ring, ulong from, ulong to, RefusalReason reason, ulong expected, string message) =>
        Answer(new IngestResponse
        {
            Refused = new BatchRefused { Ring = ring, From = from, To = to, Reason = reason, Expected = expected, Message = message },
        });

    /// <summary>Asks for the bytes of those of the sites that this stream has named.</summary>
    public void Want(IEnumerable<SiteId> sites)
    {
        var wanted = new WantedSites();
        foreach (SiteId site in sites)
        {
            if (_indexes.TryGetValue(site, out uint index) && _asked.TryAdd(site, 0))
                wanted.Site.Add(index);
        }
        if (wanted.Site.Count > 0)
            Answer(new IngestResponse { WantedSites = wanted });
    }

    /// <summary>True, once, for a site whose bytes this stream was asked for; nobody may tell what they were not asked for.</summary>
    public bool MayTell(SiteId site) => _asked.TryUpdate(site, 1, 0);

    public void Answer(IngestResponse response)
    {
        if (!_answers.Writer.TryWrite(response) && !_answers.Reader.Completion.IsCompleted && _answers.Reader.Count >= _maxUnread)
        {
            End(new Status(StatusCode.ResourceExhausted,
                $"wedge {Identity.Wedge} leaves {_maxUnread} answers unread: at most {_maxUnread} (Collector:MaxUnreadAnswers) — read answers while sending"));
        }
    }

    /// <summary>Ends the stream from this side. Batches that wait for their commit are still decided.</summary>
    public void End(Status reason)
    {
        _ended.TrySetResult(reason);
        _answers.Writer.TryComplete();
    }

    /// <summary>No more requests will come; the answers end when the last batch under way is decided.</summary>
    public void EndInput()
    {
        _inputEnded = true;
        if (Volatile.Read(ref _underWay) == 0)
            _answers.Writer.TryComplete();
    }

    /// <summary>Ends the answers at once.</summary>
    public void Abort(RpcException reason) => _answers.Writer.TryComplete(reason);
}
