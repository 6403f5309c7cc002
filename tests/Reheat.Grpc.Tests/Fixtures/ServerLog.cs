using System.Collections.Concurrent;

namespace Reheat.Grpc.Tests.Fixtures;

/// <summary>Keeps what a server logs at error level. Every line left at the end fails the test that ran the server.</summary>
internal sealed class ServerLog : ILoggerProvider
{
    private readonly ConcurrentQueue<string> _errors = new();

    public IReadOnlyCollection<string> Errors => _errors;

    /// <summary>Takes the errors that the test asked for; returns them.</summary>
    public string[] TakeErrors()
    {
        var taken = new List<string>();
        while (_errors.TryDequeue(out string? error))
            taken.Add(error);
        return [.. taken];
    }

    public ILogger CreateLogger(string categoryName) => new Category(categoryName, _errors);

    public void Dispose()
    {
        // Nothing to release.
    }

    private sealed class Category(string name, ConcurrentQueue<string> errors) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Error;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
                errors.Enqueue($"{logLevel} {name}[{eventId.Id}] {formatter(state, exception)} {exception}");
        }
    }
}
