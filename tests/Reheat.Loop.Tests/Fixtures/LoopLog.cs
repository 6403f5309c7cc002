using System.Collections.Concurrent;

namespace Reheat.Loop.Tests.Fixtures;

/// <summary>Keeps what the parts log from warnings up. An error that the test did not ask for fails it.</summary>
internal sealed class LoopLog : ILoggerProvider
{
    private readonly ConcurrentQueue<(LogLevel Level, string Text)> _lines = new();

    public string[] Errors => [.. _lines.Where(l => l.Level >= LogLevel.Error).Select(l => l.Text)];

    public string[] Warnings => [.. _lines.Where(l => l.Level == LogLevel.Warning).Select(l => l.Text)];

    public ILogger<T> For<T>() => new Logger<T>(new LoggerFactory([this]));

    public ILogger CreateLogger(string categoryName) => new Category(categoryName, _lines);

    public void Dispose()
    {
        // Nothing to release.
    }

    private sealed class Category(string name, ConcurrentQueue<(LogLevel, string)> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
                lines.Enqueue((logLevel, $"{name}[{eventId.Id}] {formatter(state, exception)} {exception}".TrimEnd()));
        }
    }
}
