using System.CommandLine;
using Grpc.Core;
using Reheat.Cli.Client;
using Reheat.Cli.Terminal;
using Reheat.V1;

namespace Reheat.Cli.Commands;

/// <summary>Options that many commands share.</summary>
internal static class CommonOptions
{
    private const string DefaultCollector = "http://127.0.0.1:7420";

    public static Option<Uri> Collector { get; } = new("--collector")
    {
        Description = "The collector's URL. Default: $REHEAT_COLLECTOR, or " + DefaultCollector + ".",
        HelpName = "URL",
        DefaultValueFactory = result =>
        {
            string url = Environment.GetEnvironmentVariable("REHEAT_COLLECTOR") is { Length: > 0 } named ? named : DefaultCollector;
            if (Uri.TryCreate(url, UriKind.Absolute, out Uri? uri) && uri.Scheme is "http" or "https")
                return uri;
            result.AddError($"REHEAT_COLLECTOR is {url}: expected a URL such as {DefaultCollector}");
            return new Uri(DefaultCollector);
        },
        CustomParser = result =>
        {
            if (Uri.TryCreate(result.Tokens[0].Value, UriKind.Absolute, out Uri? uri) && uri.Scheme is "http" or "https")
                return uri;
            result.AddError($"--collector {result.Tokens[0].Value}: expected a URL such as {DefaultCollector}");
            return null;
        },
    };

    public static Option<bool> Json { get; } = new("--json") { Description = "Print one JSON document instead of a table." };

    public static Option<string> Series { get; } = new("--series") { Description = "The newest build of this series.", HelpName = "NAME", DefaultValueFactory = _ => "" };

    public static Option<long> Build { get; } = new("--build") { Description = "A build by its number.", HelpName = "N" };

    public static Option<string> BuildId { get; } = new("--build-id")
    {
        Description = "The build that holds the image with this GNU build-id (at least 6 hex digits).",
        HelpName = "HEX",
        DefaultValueFactory = _ => "",
    };

    public static void AddBuildSelector(this Command command)
    {
        command.Add(Series);
        command.Add(Build);
        command.Add(BuildId);
    }

    public static BuildSelector Selector(ParseResult parsed) => new()
    {
        Series = parsed.GetValue(Series) ?? "",
        Build = parsed.GetValue(Build),
        BuildId = parsed.GetValue(BuildId) ?? "",
    };

    /// <summary>Sets what a command does; failed calls and command exceptions become messages and exit codes.</summary>
    public static void SetHandler(this Command command, Func<ParseResult, Screen, Connection, CancellationToken, Task<int>> handle)
    {
        command.Add(Collector);
        command.SetAction(async (parsed, cancel) =>
        {
            using var connection = new Connection(parsed.GetValue(Collector)!);
            try
            {
                return await handle(parsed, new Screen(command.Options.Contains(Json) && parsed.GetValue(Json)), connection, cancel);
            }
            catch (RpcException e)
            {
                CommandException explained = connection.Explain(e);
                await Console.Error.WriteLineAsync($"reheat: {explained.Message}");
                return explained.ExitCode;
            }
        });
    }
}
