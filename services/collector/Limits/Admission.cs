using System.Security.Cryptography;
using System.Text;
using Grpc.Core;

namespace Reheat.Collector.Limits;

/// <summary>Who may open streams, and how many: by token, and over all.</summary>
internal sealed class Admission
{
    private const string Scheme = "Bearer ";

    private sealed class Holder(string name, int maxStreams, RateLimit rate, TokenOptions? token = null)
    {
        public string Name => name;

        public TokenOptions? Token => token;

        public AddedSites Added { get; } = new();

        public int MaxStreams => maxStreams;

        public RateLimit Rate => rate;

        public int Streams;
    }

    private readonly RefusalCounts _refusals;
    private readonly CollectorOptions _options;
    private readonly Dictionary<string, Holder> _tokens;
    private readonly Holder _all;

    public Admission(CollectorOptions options, RefusalCounts refusals, TimeProvider clock)
    {
        _options = options;
        _refusals = refusals;
        _all = new Holder("", options.MaxStreams, new RateLimit(0, clock));
        _tokens = options.Tokens.ToDictionary(
            t => t.Sha256.ToUpperInvariant(), t => new Holder(t.Name, t.MaxStreams, new RateLimit(t.MaxRecordsPerSecond, clock), t), StringComparer.Ordinal);
    }

    /// <summary>Lets a stream in.</summary>
    /// <returns>To be disposed of with the stream.</returns>
    /// <exception cref="RpcException">It may not come in.</exception>
    public Admitted Enter(Metadata headers, string wedge)
    {
        Holder? token = _tokens.Count == 0 ? null : Find(headers);
        if (_tokens.Count > 0 && token is null)
        {
            throw new RpcException(new Status(StatusCode.Unauthenticated,
                $"wedge {wedge}: the call's header authorization holds none of the {_tokens.Count} tokens of this collector — give the agent one with --token-file"));
        }
        // Not this stream's fault: it may come again when others have gone, or go to another collector.
        Take(_all, StatusCode.Unavailable, "MaxStreams", $"wedge:{wedge}", $"wedge {wedge}: the collector has {{0}} streams: at most {{1}} (Collector:MaxStreams)");
        try
        {
            if (token is not null)
                Take(token, StatusCode.ResourceExhausted, "Tokens:MaxStreams", $"token:{token.Name}", $"wedge {wedge}: token {token.Name} has {{0}} streams: at most {{1}} (Collector:Tokens:MaxStreams)");
        }
        catch
        {
            Interlocked.Decrement(ref _all.Streams);
            throw;
        }
        return new Admitted(token?.Name, token?.Rate, StreamLimits.Of(_options, token?.Token, wedge), token?.Added, () =>
        {
            Interlocked.Decrement(ref _all.Streams);
            if (token is not null)
                Interlocked.Decrement(ref token.Streams);
        });
    }

    /// <summary>Takes note of what the database says that tokens have added.</summary>
    public void Added(IReadOnlyList<(string Token, long Sites)> tokens)
    {
        foreach ((string name, long sites) in tokens)
            _tokens.Values.FirstOrDefault(t => t.Name == name)?.Added.AtLeast(sites);
    }

    /// <summary>The database is another one: what was added to it is not known.</summary>
    public void ForgetAdded()
    {
        foreach (Holder token in _tokens.Values)
            token.Added.Forget();
    }

    private void Take(Holder holder, StatusCode status, string limit, string subject, string message)
    {
        int streams = Interlocked.Increment(ref holder.Streams);
        if (holder.MaxStreams == 0 || streams <= holder.MaxStreams)
            return;
        Interlocked.Decrement(ref holder.Streams);
        _refusals.Count(new ExceededLimit(subject, limit, holder.MaxStreams, streams));
        throw new RpcException(new Status(status, string.Format(System.Globalization.CultureInfo.InvariantCulture, message, streams - 1, holder.MaxStreams)));
    }

    // By hash: comparing tells nobody who measures time how much of a token is right.
    private Holder? Find(Metadata headers)
    {
        string? value = headers.GetValue("authorization");
        return value is not null && value.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase)
            ? _tokens.GetValueOrDefault(Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(value[Scheme.Length..].Trim()))))
            : null;
    }
}

/// <summary>A stream that was let in.</summary>
/// <param name="token">The token's name, or null.</param>
/// <param name="rate">The token's rate, or null.</param>
/// <param name="limits">What it is held to.</param>
/// <param name="added">What streams with the token were the first to name, or null.</param>
/// <param name="leave">Called once.</param>
internal sealed class Admitted(string? token, RateLimit? rate, StreamLimits limits, AddedSites? added, Action leave) : IDisposable
{
    private Action? _leave = leave;

    public string? Token => token;

    public RateLimit? Rate => rate;

    public StreamLimits Limits => limits;

    public AddedSites? Added => added;

    public void Dispose() => Interlocked.Exchange(ref _leave, null)?.Invoke();
}

/// <summary>Sites that streams with one token were the first to name, by what the database said last: when a stream opened, or in a commit that added some.</summary>
internal sealed class AddedSites
{
    private long _count;

    public long Count => Volatile.Read(ref _count);

    public void Forget() => Volatile.Write(ref _count, 0);

    /// <summary>What was said later may be known earlier; the count never falls.</summary>
    public void AtLeast(long sites)
    {
        for (long seen = Count; seen < sites;)
        {
            long was = Interlocked.CompareExchange(ref _count, sites, seen);
            if (was == seen)
                return;
            seen = was;
        }
    }
}
