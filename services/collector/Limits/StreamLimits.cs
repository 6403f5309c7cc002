namespace Reheat.Collector.Limits;

/// <summary>What one stream is held to: the collector's setting, or its token's where that is tighter.</summary>
/// <param name="Subject">Whose it is: <c>token:NAME</c> where it has one, else <c>wedge:NAME</c>.</param>
/// <param name="BatchRows">Rows of a batch.</param>
/// <param name="Images">Images of the hello.</param>
/// <param name="Sites">Distinct sites that the stream names.</param>
/// <param name="WedgeSites">Sites that its wedge may be the first to name.</param>
/// <param name="TokenSites">Sites that all streams with its token may be the first to name; null without a limit.</param>
internal sealed record StreamLimits(string Subject, StreamLimit BatchRows, StreamLimit Images, StreamLimit Sites, StreamLimit WedgeSites, StreamLimit? TokenSites)
{
    /// <summary>The limits of a wedge's stream.</summary>
    public static StreamLimits Of(CollectorOptions options, TokenOptions? token, string wedge)
    {
        return new StreamLimits(
            token is null ? $"wedge:{wedge}" : $"token:{token.Name}",
            Tighter(nameof(options.MaxBatchRows), options.MaxBatchRows, token?.MaxBatchRows, "batch"),
            Tighter(nameof(options.MaxImages), options.MaxImages, token?.MaxImages, "stream"),
            Tighter(nameof(options.MaxSites), options.MaxSites, token?.MaxSites, "stream"),
            new StreamLimit($"wedge:{wedge}", nameof(options.MaxNewSites), options.MaxNewSites, "wedge"),
            token is { MaxNewSites: > 0 } ? new StreamLimit($"token:{token.Name}", $"Tokens:{nameof(token.MaxNewSites)}", token.MaxNewSites, "token") : null);

        StreamLimit Tighter(string setting, int collectors, int? tokens, string each) => tokens > 0 && tokens < collectors
            ? new StreamLimit($"token:{token!.Name}", $"Tokens:{setting}", tokens.Value, each)
            : new StreamLimit($"wedge:{wedge}", setting, collectors, each);
    }
}

/// <summary>A limit that holds for a stream.</summary>
/// <param name="Subject">Whose it is: <c>wedge:NAME</c> or <c>token:NAME</c>; <c>collector</c> or <c>database</c> where the limit is of all.</param>
/// <param name="Setting">The setting's name, below <c>Collector</c>.</param>
/// <param name="Most">What it allows.</param>
/// <param name="Each">To whom: "batch", "stream", "wedge", "token".</param>
internal readonly record struct StreamLimit(string Subject, string Setting, int Most, string Each)
{
    /// <summary>What went beyond it.</summary>
    public ExceededLimit Exceeded(long asked) => new(Subject, Setting, Most, asked);

    /// <summary>How messages name it.</summary>
    public override string ToString() => $"at most {Most} a {Each} (Collector:{Setting})";
}
