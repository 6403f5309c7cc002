using System.Diagnostics;
using System.Threading.Channels;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using Reheat.V1;

namespace Reheat.Agent.Streaming;

/// <summary>One stream to the collector, from hello to its end. After a failure a new one begins at the marks of its welcome.</summary>
internal sealed class IngestStream(
    AgentOptions options, Uri address, ITraceSource source, ImageTable images, AgentStatus status, Refusals refusals, ulong agent, TimeProvider clock, ILogger log)
{
    private sealed class RingState(ITraceRing ring)
    {
        public ITraceRing Ring { get; } = ring;
        public ulong Sampled { get; set; }
        public ulong Next { get; set; }
        public ulong Acknowledged { get; set; }
        public Core.Ring.RingCounters Told { get; set; }
        public bool EverTold { get; set; }
    }

    private readonly StreamSites _sites = new();
    private readonly Queue<uint> _wanted = new();
    private readonly Channel<IngestResponse> _answers = Channel.CreateUnbounded<IngestResponse>();
    private RingState[] _rings = [];
    private readonly Queue<(uint Ring, ulong To, bool GivenUp)> _underWay = new();
    private bool _welcomed;
    private (uint Ring, ulong From, ulong To, bool GivenUp) _lastBatch;
    private long _slowUntil;
    private long _lastSent;
    private ulong _maxRecords = (ulong)options.MaxBatchRecords;
    private int _maxSites = int.MaxValue;
    private TimeSpan _keepAlive = TimeSpan.FromSeconds(5);

    /// <summary>Streams until the wedge has ended and everything is acknowledged (true), or new rings have come and the stream must begin anew (false).</summary>
    /// <exception cref="BatchRefusedException">The collector refuses a batch for what is in it.</exception>
    /// <exception cref="RpcException">The stream ended otherwise.</exception>
    public async Task<bool> RunAsync(CallInvoker collector, CancellationToken cancel)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        using AsyncDuplexStreamingCall<IngestRequest, IngestResponse> call =
            collector.AsyncDuplexStreamingCall(CheckedIngest.Method, null, new CallOptions(Headers(), cancellationToken: ending.Token));
        try
        {
            await WriteAsync(call.RequestStream, new IngestRequest { Hello = Hello() }, cancel);
            if (!await call.ResponseStream.MoveNext(cancel) || call.ResponseStream.Current.Welcome is not { } welcome)
                throw new RpcException(new Status(StatusCode.Internal, "the collector answered the hello with something else than a welcome"));
            Begin(welcome);
            Task reading = ReadAsync(call.ResponseStream, ending.Token);
            bool done = await SendAsync(call.RequestStream, cancel);
            await call.RequestStream.CompleteAsync();
            await reading;
            await DrainAsync();
            return done;
        }
        catch (Exception e) when (!cancel.IsCancellationRequested && (e is IOException or HttpRequestException || (e is InvalidOperationException && HasEnded(call))))
        {
            // Writing to a call that has ended says only that, or that the connection is gone; the call's status, if it has one, says why.
            throw await ExplainAsync(new RpcException(StatusOf(call, e)));
        }
        catch (RpcException e)
        {
            throw await ExplainAsync(e);
        }
        finally
        {
            await ending.CancelAsync();
        }
    }

    /// <summary>A stream that ends with INVALID_ARGUMENT or RESOURCE_EXHAUSTED while batches are under way ends for one of them; while careful, for the one.</summary>
    private async Task<Exception> ExplainAsync(RpcException e)
    {
        if (e.StatusCode is not (StatusCode.InvalidArgument or StatusCode.ResourceExhausted) || !_welcomed)
            return e;
        await DrainAsync(); // what was acknowledged before is not it
        return _underWay.Count == 0
            ? e
            : new BatchRefusedException(refusals.Careful ? (_lastBatch.Ring, _lastBatch.From, _lastBatch.To) : null, e.Status.Detail);
    }

    private static bool HasEnded(AsyncDuplexStreamingCall<IngestRequest, IngestResponse> call)
    {
        try
        {
            call.GetStatus();
            return true;
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private static Status StatusOf(AsyncDuplexStreamingCall<IngestRequest, IngestResponse> call, Exception failure)
    {
        Status status = HasEnded(call) ? call.GetStatus() : Status.DefaultSuccess;
        return status.StatusCode != StatusCode.OK ? status : new Status(StatusCode.Unavailable, failure.Message, failure);
    }

    private Metadata? Headers() => options.Token is { } token ? new Metadata { { "authorization", $"Bearer {token}" } } : null;

    private Hello Hello() => HelloOf(options, source, images, agent);

    /// <summary>Who streams.</summary>
    internal static Hello HelloOf(AgentOptions options, ITraceSource source, ImageTable images, ulong agent)
    {
        var hello = new Hello
        {
            Wedge = options.Wedge,
            Kind = source.Info.Kind,
            Version = source.Info.Version,
            Host = Environment.MachineName,
            Guest = source.Info.Guest,
            Epoch = source.Epoch,
            EpochUnixNs = source.EpochUnixNs,
            Agent = agent,
            Checksums = true,
        };
        hello.Rings.AddRange(source.Rings.Select(r => r.Ring));
        hello.Images.AddRange(images.Images.Select(i => new LoadedImage
        {
            BuildId = ByteString.CopyFrom(i.BuildId.ToBytes()),
            Name = i.Name,
            LoadBias = i.Bias.Value,
        }));
        return hello;
    }

    private void Begin(Welcome welcome)
    {
        _keepAlive = TimeSpan.FromSeconds(Math.Max(welcome.LeaseSeconds, 1) / 3.0);
        if (welcome.Limits is { } limits)
        {
            // A batch names no more new sites than it has records: from half of what the stream may name it cannot go beyond it.
            _maxSites = Math.Max(1, (int)(limits.MaxSites / 2));
            _maxRecords = Math.Clamp(Math.Min(limits.MaxBatchRows, (ulong)_maxSites), 1, (ulong)options.MaxBatchRecords);
            status.MaxBatchRecords = _maxRecords;
        }
        _rings = [.. source.Rings.Select(r => new RingState(r))];
        ulong lost = 0, before = 0, known = 0;
        foreach (RingState state in _rings)
        {
            ulong mark = MarkOf(state);
            known += mark;
            before += state.Ring.Tail;
            lost += state.Ring.FirstAt(mark) - mark;
        }
        if (options.RefuseUnknownSession && known == 0 && before > 0)
        {
            throw new AgentException(
                $"the collector at {address} knows nothing of epoch {source.Epoch:x16} of wedge {options.Wedge}, though {before:N0} records of it were acknowledged before — " +
                "was it delivered under another --wedge name? If the database was replaced, --force goes on and counts them as lost")
            { IsMisdirected = true };
        }
        if (lost > 0)
            status.SetLost(Math.Max(status.Lost, (long)lost));
        foreach (RingState state in _rings)
            state.Next = state.Acknowledged = MarkOf(state);
        source.Begin(_rings.Select(r => (r.Ring, r.Next)));
        _welcomed = true;
        (status.Connection, status.Collector) = ("connected", address);
        Log.StreamOpen(log, options.Wedge, address, source.Epoch, _rings.Length);

        ulong MarkOf(RingState state) => welcome.Marks.FirstOrDefault(m => m.Ring == state.Ring.Ring)?.Position ?? 0;
    }

    private async Task<bool> SendAsync(IClientStreamWriter<IngestRequest> requests, CancellationToken cancel)
    {
        long sampledAt = 0;
        while (true)
        {
            bool last = source.HasEnded;
            bool newRings = source.FindRings();
            // Nothing from before the last look is left: neither are the maps that were replaced before it needed.
            if (_rings.All(r => r.Acknowledged == r.Sampled))
                source.Forget(sampledAt);
            sampledAt = clock.GetTimestamp();
            foreach (RingState state in _rings)
            {
                state.Sampled = state.Ring.Head;
                state.Ring.Look(state.Sampled);
            }
            if (_rings.Any(r => r.Next < r.Sampled))
                await source.SampledAsync(cancel);
            foreach (RingState state in _rings)
                await SendRingAsync(state, requests, last, cancel);
            await SendWantedAsync(requests, cancel);
            if (newRings)
                return false; // before the end: the new ones are not read yet
            if (last && _rings.All(r => r.Acknowledged == r.Ring.Head))
                return true;
            if (_sites.Count > _maxSites)
                return false; // a new stream begins with an empty dictionary
            await WaitAsync(options.Interval, cancel);
        }
    }

    private async Task SendRingAsync(RingState state, IClientStreamWriter<IngestRequest> requests, bool last, CancellationToken cancel)
    {
        while (state.Next < state.Sampled && _sites.Count <= _maxSites)
        {
            await RoomAsync(cancel);
            ulong to = state.Ring.EndOfBatch(state.Next, state.Sampled, refusals.Careful ? Math.Min(refusals.MaxRecords, _maxRecords) : _maxRecords);
            if (refusals.GivenUp(state.Ring.Ring, state.Next) is { } end)
                await SendBatchAsync(source.GiveUp(state.Ring, state.Next, end), state, requests, cancel, givenUp: true);
            else
                await SendBatchAsync(source.Gone(state.Ring, state.Next) ?? source.Cut(state.Ring, state.Next, to, _sites), state, requests, cancel);
        }
        if (state.Next < state.Sampled)
            return; // the dictionary is full: what comes next would need it
        // Counters change without records (a full ring, code outside every image); and a quiet stream must keep its lease.
        bool news = state.Ring.Counters != state.Told || !state.EverTold;
        if ((!last || !news) && clock.GetElapsedTime(_lastSent) <= _keepAlive)
            return;
        await RoomAsync(cancel);
        await SendBatchAsync(source.Cut(state.Ring, state.Next, state.Next, _sites), state, requests, cancel);
    }

    private async Task RoomAsync(CancellationToken cancel)
    {
        while (_underWay.Count >= (refusals.Careful ? 1 : options.Window) || clock.GetTimestamp() < _slowUntil)
            await WaitAsync(options.Interval, cancel);
    }

    private async Task SendBatchAsync(
        Batch batch, RingState state, IClientStreamWriter<IngestRequest> requests, CancellationToken cancel, bool givenUp = false)
    {
        // Told when nothing else is: counters that are refused must not take records with them.
        if (refusals.Careful && batch.To > batch.From)
            batch.Counters = null;
        if (batch.Counters is { } c)
        {
            state.Told = new Core.Ring.RingCounters(c.Traps, c.DroppedTraps, c.DroppedRecords, c.OutsideTraps, c.Spurious, c.Hits, c.DroppedHits);
            state.EverTold = true;
        }
        batch.AgeNs = (ulong)state.Ring.AgeOf(batch.From).TotalNanoseconds;
        state.Next = batch.To;
        _underWay.Enqueue((batch.Ring, batch.To, givenUp));
        _lastBatch = (batch.Ring, batch.From, batch.To, givenUp);
        _lastSent = clock.GetTimestamp();
        await WriteAsync(requests, new IngestRequest { Batch = batch }, cancel);
        status.AddBatch();
    }

    private async Task SendWantedAsync(IClientStreamWriter<IngestRequest> requests, CancellationToken cancel)
    {
        if (refusals.Careful)
            return; // one thing at a time
        var bytes = new SiteBytes();
        while (_wanted.TryDequeue(out uint index))
        {
            if (index < _sites.Count && source.CodeAt(_sites.Ip(index)) is { } code)
                bytes.Codes.Add(new SiteCode { Site = index, Code = ByteString.CopyFrom(code) });
        }
        if (bytes.Codes.Count > 0)
            await WriteAsync(requests, new IngestRequest { SiteBytes = bytes }, cancel);
    }

    private static async Task WriteAsync(IClientStreamWriter<IngestRequest> requests, IngestRequest request, CancellationToken cancel)
    {
        try
        {
            await requests.WriteAsync(request, cancel);
        }
        // A collector that is killed while a write is under way: what the transport met comes out bare, not as the call's status.
        catch (Exception e) when (e is IOException or HttpRequestException || (e is OperationCanceledException && !cancel.IsCancellationRequested))
        {
            throw new RpcException(new Status(StatusCode.Unavailable, e.Message));
        }
    }

    /// <summary>Waits for an answer or the time, and takes what answers there are.</summary>
    private async Task WaitAsync(TimeSpan atMost, CancellationToken cancel)
    {
        using var timer = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        timer.CancelAfter(atMost);
        try
        {
            // Also ends, with the call's failure, when the reader has ended.
            if (!await _answers.Reader.WaitToReadAsync(timer.Token))
                throw new RpcException(new Status(StatusCode.Unavailable, "the collector ended the stream"));
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
        }
        await DrainAsync();
    }

    private Task DrainAsync()
    {
        while (_answers.Reader.TryRead(out IngestResponse? answer))
            Handle(answer);
        return Task.CompletedTask;
    }

    private void Handle(IngestResponse answer)
    {
        switch (answer.MessageCase)
        {
            case IngestResponse.MessageOneofCase.Ack:
                Arrived(answer.Ack);
                RingState? state = _rings.FirstOrDefault(r => r.Ring.Ring == answer.Ack.Ring);
                if (state is not null && answer.Ack.Position > state.Acknowledged)
                {
                    status.AddAcknowledged((long)(answer.Ack.Position - state.Acknowledged));
                    state.Acknowledged = answer.Ack.Position;
                    source.Release(state.Ring, answer.Ack.Position);
                }
                break;
            case IngestResponse.MessageOneofCase.WantedSites:
                foreach (uint index in answer.WantedSites.Site)
                    _wanted.Enqueue(index);
                break;
            case IngestResponse.MessageOneofCase.SlowDown:
                _slowUntil = clock.GetTimestamp() + (answer.SlowDown.Milliseconds * Stopwatch.Frequency / 1000);
                break;
            case IngestResponse.MessageOneofCase.Refused:
                if (answer.Refused.Reason is RefusalReason.Malformed or RefusalReason.Limit)
                    throw new BatchRefusedException((answer.Refused.Ring, answer.Refused.From, answer.Refused.To), answer.Refused.Message);
                // The batches behind it are refused too: begin anew at the mark.
                throw new RpcException(new Status(StatusCode.Aborted, $"a batch was refused: {answer.Refused.Message}"));
        }
    }

    /// <summary>An acknowledgement is for all batches of its ring up to its position.</summary>
    private void Arrived(Ack ack)
    {
        for (int left = _underWay.Count; left > 0; left--)
        {
            (uint Ring, ulong To, bool GivenUp) batch = _underWay.Dequeue();
            if (batch.Ring != ack.Ring || batch.To > ack.Position)
                _underWay.Enqueue(batch);
            else if (refusals.Careful)
                refusals.Taken(batch.Ring, batch.To, batch.GivenUp);
        }
    }

    private async Task ReadAsync(IAsyncStreamReader<IngestResponse> responses, CancellationToken cancel)
    {
        try
        {
            while (await responses.MoveNext(cancel))
                _answers.Writer.TryWrite(responses.Current);
            _answers.Writer.TryComplete();
        }
        catch (Exception e) when (e is RpcException or OperationCanceledException or IOException)
        {
            _answers.Writer.TryComplete(e);
            throw;
        }
    }
}
