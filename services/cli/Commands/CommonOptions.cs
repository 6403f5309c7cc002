using System.CommandLine;
using System.CommandLine.Parsing;
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
        CustomParser = result => UriOf(result, result.Tokens[0].Value),
    };

    /// <summary>Reads URLs of collectors.</summary>
    public static Uri[] ParseUris(ArgumentResult result) => [.. result.Tokens.Select(t => UriOf(result, t.Value)).OfType<Uri>()];

    private static Uri? UriOf(ArgumentResult result, string text)
    {
        if (Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) && uri.Scheme is "http" or "https")
            return uri;
        result.AddError($"{(result.Parent as OptionResult)?.Option.Name ?? Collector.Name} {text}: expected a URL such as {DefaultCollector}");
        return null;
    }

    public static Option<bool> Json { get; } = new("--json") { Description = "Print one JSON document instead of a table." };

    public static Option<string> Series { get; } = new("--series") { Description = "The newest build of this series. Default: the newest build of all.", HelpName = "NAME" };

    public static Option<long> Build { get; } = NumberOption.Create("--build", "N", "A build by its number.", 1L, long.MaxValue);

    public static Option<string> BuildId { get; } = new("--build-id")
    {
        Description = "The build that holds the image with this GNU build-id (at least 6 hex digits).",
        HelpName = "HEX",
        CustomParser = result =>
        {
            string hex = result.Tokens[0].Value;
            if (hex.Length < 6 || !hex.All(char.IsAsciiHexDigit))
                result.AddError($"--build-id {hex}: expected at least 6 hex digits");
            return hex;
        },
    };

    public static void AddBuildSelector(this Command command)
    {
        command.Add(Series);
        command.Add(Build);
        command.Add(BuildId);
        command.Validators.Add(static result =>
        {
            string[] given = [.. ((Option[])[Series, Build, BuildId]).Where(o => result.GetResult(o) is { Implicit: false }).Select(o => o.Name)];
            if (given.Length > 1)
                result.AddError($"{string.Join(" and ", given)} each name a build: give one of them");
        });
    }

    /// <summary>Refuses a name that the collector would refuse.</summary>
    public static void AcceptSeriesNames(Option<string> series) => series.Validators.Add(result =>
    {
        if (result.Tokens is [var token] && (token.Value.Length is 0 or > 100 || !token.Value.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-')))
            result.AddError($"{series.Name} \"{token.Value}\": expected letters, digits, '.', '_' and '-', 100 at most");
    });

    /// <summary>The words of a command, from the program on.</summary>
    public static string NameOf(CommandResult result)
    {
        string name = result.Command.Name;
        for (SymbolResult? parent = result.Parent; parent is CommandResult outer; parent = outer.Parent)
            name = $"{(outer.Parent is null ? "reheat" : outer.Command.Name)} {name}";
        return result.Parent is null ? "reheat" : name;
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
            using var connection = new Connection(parsed.GetValue(Collector) ?? FromEnvironment());
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

    private static Uri FromEnvironment()
    {
        string url = Environment.GetEnvironmentVariable("REHEAT_COLLECTOR") is { Length: > 0 } named ? named : DefaultCollector;
        return Uri.TryCreate(url, UriKind.Absolute, out Uri? uri) && uri.Scheme is "http" or "https"
            ? uri
            : throw new CommandException(ExitCode.Usage, $"REHEAT_COLLECTOR is {url}: expected a URL such as {DefaultCollector}");
    }
}
