using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Reheat.Cli.Terminal;

/// <summary>Log messages of what a command runs in its process: on standard error, a line each.</summary>
internal static class ConsoleLogging
{
    /// <summary>For an agent: warnings alone unless more is asked for.</summary>
    public static ILoggerFactory ForAgent(bool verbose) => LoggerFactory.Create(logging => logging
        .SetMinimumLevel(verbose ? LogLevel.Debug : LogLevel.Warning)
        .AddStandardError());

    /// <summary>Adds the console in the house's format.</summary>
    public static ILoggingBuilder AddStandardError(this ILoggingBuilder logging)
    {
        logging.AddSimpleConsole(c =>
        {
            c.SingleLine = true;
            c.TimestampFormat = "HH:mm:ss ";
            // The default looks at standard output, where no log line goes.
            c.ColorBehavior = Console.IsErrorRedirected ? LoggerColorBehavior.Disabled : LoggerColorBehavior.Default;
        });
        logging.Services.Configure<ConsoleLoggerOptions>(c => c.LogToStandardErrorThreshold = LogLevel.Trace);
        return logging;
    }
}
