namespace Reheat.Collector.Ingest;

/// <summary>
/// The door that streams' own questions to the database go through, a few at a time: ten thousand streams that all name a new target, or tell the bytes of their sites,
/// wait here and not for connections, of which the commits need theirs.
/// </summary>
internal sealed class LookUps : IDisposable
{
    private const int AtATime = 8;

    private readonly SemaphoreSlim _door = new(AtATime);

    /// <summary>Runs it when it is its turn.</summary>
    public async Task<T> RunAsync<T>(Func<Task<T>> question, CancellationToken cancel)
    {
        await _door.WaitAsync(cancel);
        try
        {
            return await question();
        }
        finally
        {
            _door.Release();
        }
    }

    /// <summary>Runs it when it is its turn.</summary>
    public Task RunAsync(Func<Task> question, CancellationToken cancel) =>
        RunAsync(async () => { await question(); return true; }, cancel);

    /// <inheritdoc/>
    public void Dispose() => _door.Dispose();
}
