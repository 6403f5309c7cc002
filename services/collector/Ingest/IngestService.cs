using Grpc.Core;
using Npgsql;
using Reheat.Collector.Health;
using Reheat.Collector.Ingest.Wire;
using Reheat.Collector.Limits;
using Reheat.Core;
using Reheat.Store.Ingest;
using Reheat.V1;

namespace Reheat.Collector.Ingest;

/// <summary>The service <c>reheat.v1.TraceIngest</c>: one call is one wedge's stream.</summary>
internal sealed class IngestService(
    TargetStore targets, SiteStore sites, Committer committer, LeaseKeeper leases, KeyTables keys, Admission admission, RefusalCounts refusals,
    KeyBudget budget, LookUps lookUps, CollectorOptions options, TimeProvider clock, IHostApplicationLifetime lifetime, ILogger<IngestService> log) : IngestServiceBase
{
    // A client that is ended and still reads gets the answers that were waiting, and then the reason; one that does not read is cut off.
    private static readonly TimeSpan LastAnswers = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan HelloPatience = TimeSpan.FromSeconds(20);

    private static readonly Status Superseded = new(StatusCode.Unavailable, "the collector needs the memory of what old streams count (Collector:MaxKeys) — connect again");

    /// <inheritdoc/>
    public override async Task Ingest(
        IAsyncStreamReader<WireRequest> requestStream, IServerStreamWriter<IngestResponse> responseStream, ServerCallContext context)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        CancellationToken cancel = ending.Token;
        Hello? hello = null;
        StreamSession? session = null;
        Admitted? admitted = null;
        try
        {
            using (WireRequest? first = await FirstAsync(requestStream, cancel) ? requestStream.Current : null)
            {
                hello = first?.Hello ?? throw Invalid("the first request must be a hello");
                Verify(first, hello.Checksums || first.HelloHasChecksum);
            }
            if (HelloCheck.Wrong(hello) is { } wrong)
                throw Invalid(wrong);
            admitted = Admit(context.RequestHeaders, hello);
            session = await OpenAsync(hello, admitted, cancel);
            Task answering = AnswerAsync(session, responseStream, cancel);
            try
            {
                using var listening = CancellationTokenSource.CreateLinkedTokenSource(cancel);
                Task receiving = ReceiveAsync(session, requestStream, hello.Checksums, listening.Token);
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
            {
                session.Dictionary.Dispose();
                await CloseAsync(session);
            }
            admitted?.Dispose();
        }
    }

    /// <summary>Who connects and says nothing is not waited for.</summary>
    private static async Task<bool> FirstAsync(IAsyncStreamReader<WireRequest> requests, CancellationToken cancel)
    {
        try
        {
            return await requests.MoveNext(cancel).WaitAsync(HelloPatience, cancel);
        }
        catch (TimeoutException)
        {
            throw new RpcException(new Status(StatusCode.DeadlineExceeded, $"no hello within {HelloPatience.TotalSeconds} s"));
        }
    }

    private Admitted Admit(Metadata headers, Hello hello)
    {
        try
        {
            Admitted admitted = admission.Enter(headers, hello.Wedge);
            StreamLimit images = admitted.Limits.Images;
            if (hello.Images.Count <= images.Most)
                return admitted;
            admitted.Dispose();
            refusals.Count(images.Exceeded(hello.Images.Count));
            throw new RpcException(new Status(StatusCode.ResourceExhausted, $"hello of wedge {hello.Wedge} names {hello.Images.Count} images: {images}"));
        }
        catch (RpcException e)
        {
            throw Refused(hello, e.Status);
        }
    }

    private async Task<StreamSession> OpenAsync(Hello hello, Admitted admitted, CancellationToken cancel)
    {
        DateTimeOffset began = DateTimeOffset.UnixEpoch.AddTicks(hello.EpochUnixNs / 100);
        LeaseGrant grant = await leases.OpenAsync(
            new WedgeHello(hello.Wedge, hello.Kind, hello.Version, hello.Host, hello.Guest, unchecked((long)hello.Agent),
                unchecked((long)hello.Epoch), began, [.. hello.Rings.Select(r => unchecked((int)r))], admitted.Token),
            clock.GetUtcNow() - options.Retention, cancel);
        if (grant.IsForgotten)
        {
            throw Refused(hello, new Status(StatusCode.FailedPrecondition,
                $"epoch {hello.Epoch:x16} of wedge {hello.Wedge} began at {began:u}, before the {options.Retention.TotalDays:0.#} days that are kept, and nothing is known of it: " +
                "what it counted may be counted already — start a new session of the wedge"));
        }
        if (grant.HeldUntil is { } until)
        {
            throw Refused(hello, new Status(StatusCode.AlreadyExists,
                $"another agent holds wedge {hello.Wedge} until {until:u} and may renew it — give each wedge a name of its own, or wait"));
        }
        admitted.Added?.AtLeast(grant.TokenSites);
        int generation = keys.Generation;
        StreamSession? opened = null;
        KeyTables.Held held = keys.Enter(() => opened?.End(Superseded));
        var dictionary = new StreamDictionary(held, budget, [.. hello.Images.Select(i => new BuildId(i.BuildId.Span))], targets, lookUps, admitted.Limits);
        var session = new StreamSession(hello, grant, dictionary, options.MaxUnreadAnswers, admitted)
        {
            LastHeard = clock.GetTimestamp(),
            Rates = [new RateLimit(options.MaxRecordsPerSecond, clock), .. admitted.Rate is { } shared ? [shared] : Array.Empty<RateLimit>()],
        };
        opened = session;
        if (held.IsEnding)
            session.End(Superseded);
        leases.Add(session);
        // Whoever finds the database replaced makes a new generation first and ends the streams that it sees then.
        if (keys.Generation != generation)
            session.End(Committer.Replaced);
        Log.StreamOpened(log, hello.Wedge, hello.Guest, hello.Host, hello.Epoch, hello.Rings.Count, grant.Lease);
        var welcome = new Welcome
        {
            Lease = grant.Lease,
            LeaseSeconds = (uint)Math.Ceiling(options.Lease.TotalSeconds),
            Limits = new V1.Limits { MaxBatchRows = (uint)admitted.Limits.BatchRows.Most, MaxRequestBytes = CollectorHost.MaxRequestBytes, MaxSites = (uint)admitted.Limits.Sites.Most },
        };
        welcome.Marks.AddRange(grant.Marks.OrderBy(m => m.Key).Select(m => new RingPosition { Ring = (uint)m.Key, Position = (ulong)m.Value }));
        session.Answer(new IngestResponse { Welcome = welcome });
        return session;
    }

    private async Task ReceiveAsync(StreamSession session, IAsyncStreamReader<WireRequest> requests, bool checksums, CancellationToken cancel)
    {
        Action lives = () => session.LastHeard = clock.GetTimestamp();
        while (!session.Ended.IsCompleted)
        {
            using Committer.Turn? turn = await committer.TurnAsync(lives, cancel);
            Task<bool> next = requests.MoveNext(cancel);
            if (turn is not null && await Task.WhenAny(next, Task.Delay(Committer.Turn.Patience, cancel)) != next)
                turn.Dispose();
            if (!await next)
                return;
            session.LastHeard = clock.GetTimestamp();
            long records = await ReceiveAsync(session, requests.Current, checksums, cancel);
            turn?.Dispose();
            await SlowDownAsync(session, records, cancel);
        }
    }

    /// <returns>Records that count for the stream's rate.</returns>
    private async Task<long> ReceiveAsync(StreamSession session, WireRequest received, bool checksums, CancellationToken cancel)
    {
        using WireRequest request = received;
        Verify(request, checksums);
        if (request.Batch is { } batch)
            return await ReceiveBatchAsync(session, batch, cancel);
        if (request.SiteBytes is { } bytes)
        {
            await ReceiveCodeAsync(session, bytes, cancel);
            return 0;
        }
        throw Invalid($"a {request.Case} cannot follow the hello: expected a batch or site_bytes");
    }

    private static void Verify(WireRequest request, bool checksums)
    {
        if (checksums && !request.IsAsItWasSent)
            throw new RpcException(new Status(StatusCode.DataLoss, $"a {request.Case} was changed on its way: its checksum is wrong or missing — connect again"));
    }

    private async Task<long> ReceiveBatchAsync(StreamSession session, WireBatch batch, CancellationToken cancel)
    {
        StreamLimit most = session.Limits.BatchRows;
        if (batch.Site.Rows > most.Most)
            throw Exceeded(session, batch, ColumnFault.Limit(most, batch.Site.Rows, $"{batch.Site.Rows} rows: {most}"));
        if (batch.NewSites is { } columns && await session.Dictionary.AppendAsync(columns, cancel) is { } fault)
            throw Exceeded(session, batch, fault);
        (TimeBucket bucket, bool clamped) = options.Buckets.Of(clock.GetUtcNow(), batch.AgeNs);
        if (session.Prepare(batch, bucket, clamped, out PendingBatch? pending) is { } malformed)
            throw Invalid(Refusal(session, batch, malformed));
        if (await TooManySitesAsync(session, pending!.Batch, cancel) is { } tooMany)
        {
            session.Refuse(batch.Ring, batch.From, batch.To, RefusalReason.Limit, batch.From, Refusal(session, batch, tooMany));
            session.Withdraw();
            return 0;
        }
        await committer.EnqueueAsync(pending, cancel);
        return (long)(batch.To - batch.From);
    }

    /// <summary>What is wrong with a batch that names more sites that nobody knows than its wedge, or its token, may still add; or null. Batches that wait for their commit are not added up.</summary>
    private async ValueTask<string?> TooManySitesAsync(StreamSession session, IngestBatch batch, CancellationToken cancel)
    {
        if (batch.NewKeys.Count == 0 || session.BeyondSites(batch.NewKeys.Count) is null)
            return null;
        int unknown = await lookUps.RunAsync(() => sites.CountUnknownAsync([.. batch.NewKeys.Select(k => batch.Keys.Site(k).Site).Distinct()], cancel), cancel);
        if (unknown == 0 || session.BeyondSites(unknown) is not { } spent)
            return null;
        refusals.Count(spent.Limit.Exceeded(spent.Added + unknown));
        return $"{spent.Limit.Subject} has added {spent.Added} sites and names {unknown} more: {spent.Limit}";
    }

    /// <summary>Waits where a rate is exceeded, and says so: records that wait are not lost, and flow control holds back those behind them.</summary>
    private async Task SlowDownAsync(StreamSession session, long records, CancellationToken cancel)
    {
        if (records == 0)
            return;
        foreach (RateLimit rate in session.Rates)
        {
            TimeSpan wait = rate.Take(records);
            if (wait == TimeSpan.Zero)
                continue;
            refusals.Count(new ExceededLimit($"wedge:{session.Identity.Wedge}", nameof(options.MaxRecordsPerSecond), rate.PerSecond, records));
            session.Answer(new IngestResponse
            {
                SlowDown = new SlowDown
                {
                    Milliseconds = (uint)wait.TotalMilliseconds,
                    Reason = $"more than {rate.PerSecond} records a second (Collector:MaxRecordsPerSecond)",
                },
            });
            for (; wait > TimeSpan.Zero; wait -= TimeSpan.FromSeconds(1))
            {
                await Task.Delay(wait < TimeSpan.FromSeconds(1) ? wait : TimeSpan.FromSeconds(1), clock, cancel);
                session.LastHeard = clock.GetTimestamp(); // who is made to wait keeps its lease
            }
        }
    }

    private RpcException Exceeded(StreamSession session, WireBatch batch, ColumnFault fault)
    {
        if (fault.Exceeded is { } limit)
            refusals.Count(limit);
        return new RpcException(new Status(fault.Status, Refusal(session, batch, fault.Message)));
    }

    private string Refusal(StreamSession session, WireBatch batch, string why)
    {
        Log.BatchRefused(log, session.Identity.Wedge, batch.Ring, batch.From, batch.To, why);
        return $"batch of ring {batch.Ring} [{batch.From}, {batch.To}): {why}";
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
            if (session.MayTell((int)code.Site))
                codes[session.Dictionary.Site((int)code.Site).Site] = code.Code.ToByteArray();
        }
        if (codes.Count > 0)
            await lookUps.RunAsync(() => sites.SetCodeAsync([.. codes.Select(c => (c.Key, c.Value))], cancel), cancel);
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
            await leases.ReleaseAsync(session);
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
