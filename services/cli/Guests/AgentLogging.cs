using Microsoft.Extensions.Logging;

namespace Reheat.Cli.Guests;

/// <summary>Where an agent's messages go when a command runs it: standard error, warnings alone unless more is asked for.</summary>
internal static class AgentLogging
{
    public static ILoggerFactory Create(bool verbose) => LoggerFactory.Create(logging =>
    {
        logging.SetMinimumLevel(verbose ? LogLevel.Debug : LogLevel.Warning);
        logging.AddSimpleConsole(c =>
        {
            c.SingleLine = true;
            c.TimestampFormat = "HH:mm:ss ";
        });
        logging.Services.Configure<Microsoft.Extensions.Logging.Console.ConsoleLoggerOptions>(c => c.LogToStandardErrorThreshold = LogLevel.Trace);
    });
}
