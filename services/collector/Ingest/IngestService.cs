using Grpc.Core;
using Npgsql;
using Reheat.Collector.Health;
using Reheat.Core;
using Reheat.Store.Ingest;
using Reheat.V1;

namespace Reheat.Collector.Ingest;

/// <summary>The service <c>reheat.v1.TraceIngest</c>: one call is one wedge's stream.</summary>
internal sealed class IngestService(
    WedgeStore wedges, TargetStore targets, SiteStore sites, Committer committer, LeaseKeeper leases, KnownKeys known,
    CollectorOptions options, TimeProvider clock, IHostApplicationLifetime lifetime, ILogger<IngestService> log) : TraceIngest.TraceIngestBase
{
    // A client that is ended and still reads gets the answers that were waiting, and then the reason; one that does not read is cut off.
    private static readonly TimeSpan LastAnswers = TimeSpan.FromSeconds(5);

    /// <inheritdoc/>
    public override async Task Ingest(
        IAsyncStreamReader<IngestRequest> requestStream, IServerStreamWriter<IngestResponse> responseStream, ServerCallContext context)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        CancellationToken cancel = ending.Token;
        Hello? hello = null;
        StreamSession? session = null;
        try
        {
            if (!await requestStream.MoveNext(cancel) || requestStream.Current.MessageCase != IngestRequest.MessageOneofCase.Hello)
                throw Invalid("the first request must be a hello");
            hello = requestStream.Current.Hello;
            session = await OpenAsync(hello, cancel);
            Task answering = AnswerAsync(session, responseStream, cancel);
            try
            {
                using var listening = CancellationTokenSource.CreateLinkedTokenSource(cancel);
                Task receiving = ReceiveAsync(session, requestStream, listening.Token);
                if (await Task.WhenAny(receiving, session.Ended) != receiving)
                    await listening.CancelAsync();
                await receiving;
                session.EndInput();
            }
            catch (OperationCanceledException) when (session.Ended.IsCompleted && !cancel.IsCancellationRequested)
            {
                // The answers have ended; a sender that waits for one must not have to send first.
            }
            catch (Exception e)
            {
                session.Abort(e as RpcException ?? new RpcException(new Status(StatusCode.Cancelled, e.Message)));
                await Task.WhenAny(answering);
                throw;
            }
            await Task.WhenAny(answering, session.Ended);
            if (session.Ended.IsCompleted)
            {
                RpcException reason = Refused(hello, await session.Ended);
                await EndAnswersAsync(answering, ending);
                throw reason;
            }
            await answering;
            Log.StreamClosed(log, hello.Wedge);
        }
        catch (Exception e) when (e is OperationCanceledException or IOException)
        {
            Log.StreamLost(log, hello?.Wedge ?? "?", lifetime.ApplicationStopping.IsCancellationRequested ? "the collector stops" : "the connection ended");
            throw new RpcException(new Status(StatusCode.Unavailable, "the collector stops or the connection ended — connect again"));
        }
        catch (NpgsqlException e) when (DatabaseAwayInterceptor.IsAway(e))
        {
            Log.StreamLost(log, hello?.Wedge ?? "?", $"the database is away: {e.Message}");
            throw new RpcException(new Status(StatusCode.Unavailable, $"the collector's database is away: {e.Message} — connect again"));
        }
        catch (NpgsqlException e)
        {
            Log.StreamBroke(log, e, hello?.Wedge ?? "?", e.Message);
            throw new RpcException(new Status(StatusCode.Internal, $"the collector's database refused: {e.Message}"));
        }
        finally
        {
            if (session is not null)
                await CloseAsync(session);
        }
    }

    private async Task<StreamSession> OpenAsync(Hello hello, CancellationToken cancel)
    {
        if (HelloCheck.Wrong(hello) is { } wrong)
            throw Invalid(wrong);
        DateTimeOffset began = DateTimeOffset.UnixEpoch.AddTicks(hello.EpochUnixNs / 100);
        if (began < clock.GetUtcNow() - options.Retention)
        {
            throw Refused(hello, new Status(StatusCode.FailedPrecondition,
                $"epoch {hello.Epoch:x16} of wedge {hello.Wedge} began at {began:u}, before the {options.Retention.TotalDays:0.#} days that are kept: " +
                "what it counted may be counted already — start a new session of the wedge"));
        }
        LeaseGrant grant = await wedges.OpenAsync(
            new WedgeHello(hello.Wedge, hello.Kind, hello.Version, hello.Host, hello.Guest, unchecked((long)hello.Agent),
                unchecked((long)hello.Epoch), began, [.. hello.Rings.Select(r => unchecked((int)r))]),
            options.Lease, cancel);
        if (grant.HeldUntil is { } until)
        {
            throw Refused(hello, new Status(StatusCode.AlreadyExists,
                $"another agent holds wedge {hello.Wedge} until {until:u} and may renew it — give each wedge a name of its own, or wait"));
        }
        var dictionary = new StreamDictionary([.. hello.Images.Select(i => new BuildId(i.BuildId.Span))], targets, options.MaxSites);
        var session = new StreamSession(hello, grant, dictionary, known, options.MaxUnreadAnswers) { LastHeard = clock.GetTimestamp() };
        leases.Add(session);
        Log.StreamOpened(log, hello.Wedge, hello.Guest, hello.Host, hello.Epoch, hello.Rings.Count, grant.Lease);
        var welcome = new Welcome
        {
            Lease = grant.Lease,
            LeaseSeconds = (uint)Math.Ceiling(options.Lease.TotalSeconds),
            Limits = new Limits { MaxBatchRows = (uint)options.MaxBatchRows, MaxRequestBytes = CollectorHost.MaxRequestBytes, MaxSites = (uint)options.MaxSites },
        };
        welcome.Marks.AddRange(grant.Marks.OrderBy(m => m.Key).Select(m => new RingPosition { Ring = (uint)m.Key, Position = (ulong)m.Value }));
        session.Answer(new IngestResponse { Welcome = welcome });
        return session;
    }

    private async Task ReceiveAsync(StreamSession session, IAsyncStreamReader<IngestRequest> requests, CancellationToken cancel)
    {
        while (!session.Ended.IsCompleted && await requests.MoveNext(cancel))
        {
            session.LastHeard = clock.GetTimestamp();
            switch (requests.Current.MessageCase)
            {
                case IngestRequest.MessageOneofCase.Batch:
                    await ReceiveBatchAsync(session, requests.Current.Batch, cancel);
                    break;
                case IngestRequest.MessageOneofCase.SiteBytes:
                    await ReceiveCodeAsync(session, requests.Current.SiteBytes, cancel);
                    break;
                default:
                    throw Invalid($"a {requests.Current.MessageCase} cannot follow the hello: expected a batch or site_bytes");
            }
        }
    }

    private async Task ReceiveBatchAsync(StreamSession session, Batch batch, CancellationToken cancel)
    {
        int firstNew = session.Dictionary.Count;
        if (batch.Site.Count > options.MaxBatchRows)
        {
            throw new RpcException(new Status(StatusCode.ResourceExhausted,
                $"batch of ring {batch.Ring} [{batch.From}, {batch.To}): {batch.Site.Count} rows: at most {options.MaxBatchRows} a batch"));
        }
        if (batch.NewSites is { } columns && await session.Dictionary.AppendAsync(columns, options.MaxBatchRows, cancel) is { } fault)
        {
            Log.BatchRefused(log, session.Identity.Wedge, batch.Ring, batch.From, batch.To, fault.Message);
            throw new RpcException(new Status(fault.Status, $"batch of ring {batch.Ring} [{batch.From}, {batch.To}): {fault.Message}"));
        }
        session.Index(firstNew);
        if (session.Check(batch) is { } malformed)
        {
            Log.BatchRefused(log, session.Identity.Wedge, batch.Ring, batch.From, batch.To, malformed);
            throw Invalid($"batch of ring {batch.Ring} [{batch.From}, {batch.To}): {malformed}");
        }
        DateTimeOffset now = clock.GetUtcNow();
        DateTimeOffset oldest = now - options.Retention;
        DateTimeOffset at = batch.AgeNs / 100 > (ulong)options.Retention.Ticks ? oldest : now - TimeSpan.FromTicks((long)(batch.AgeNs / 100));
        var bucket = new DateTime(at.UtcTicks - (at.UtcTicks % TimeSpan.TicksPerMinute), DateTimeKind.Utc);
        await committer.EnqueueAsync(session.Prepare(batch, bucket, clamped: at == oldest), cancel);
    }

    private async Task ReceiveCodeAsync(StreamSession session, SiteBytes bytes, CancellationToken cancel)
    {
        var codes = new Dictionary<SiteId, byte[]>();
        foreach (SiteCode code in bytes.Codes)
        {
            if (code.Site >= session.Dictionary.Count)
                throw Invalid($"site_bytes names site {code.Site}: the stream has named {session.Dictionary.Count}");
            if (code.Code.Length is < 1 or > 15)
                throw Invalid($"site_bytes of site {code.Site} has {code.Code.Length} bytes: an instruction has 1 to 15");
            SiteId site = session.Dictionary.Site((int)code.Site).Site;
            if (session.MayTell(site))
                codes[site] = code.Code.ToByteArray();
        }
        if (codes.Count > 0)
            await sites.SetCodeAsync([.. codes.Select(c => (c.Key, c.Value))], cancel);
    }

    private static async Task AnswerAsync(StreamSession session, IServerStreamWriter<IngestResponse> responses, CancellationToken cancel)
    {
        await foreach (IngestResponse response in session.Answers.ReadAllAsync(cancel))
            await responses.WriteAsync(response, cancel);
    }

    private static async Task EndAnswersAsync(Task answering, CancellationTokenSource ending)
    {
        if (await Task.WhenAny(answering, Task.Delay(LastAnswers)) != answering)
            await ending.CancelAsync();
        await answering.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private async Task CloseAsync(StreamSession session)
    {
        leases.Remove(session);
        try
        {
            await wedges.ReleaseAsync(session.Identity.Wedge, session.Identity.Lease, CancellationToken.None);
        }
        catch (NpgsqlException e)
        {
            Log.RenewFailed(log, e.Message); // it lapses by itself
        }
    }

    private RpcException Refused(Hello hello, Status reason)
    {
        Log.StreamRefused(log, hello.Wedge, reason.Detail);
        return new RpcException(reason);
    }

    private static RpcException Invalid(string what) => new(new Status(StatusCode.InvalidArgument, what));
}
