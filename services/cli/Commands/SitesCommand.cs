using System.CommandLine;
using Reheat.Cli.Client;
using Reheat.Cli.Terminal;
using Reheat.V1;
using Spectre.Console;

namespace Reheat.Cli.Commands;

/// <summary><c>reheat sites</c>.</summary>
internal static class SitesCommand
{
    private static readonly Option<int> Limit = new("--limit", "-n") { Description = "Rows at most.", HelpName = "N", DefaultValueFactory = _ => 20 };

    private static readonly Option<bool> All = new("--all") { Description = "Also sites without residual traps." };

    private static readonly Option<string> Target = new("--target") { Description = "Only sites that touched this: lapic, e1000 …", HelpName = "NAME", DefaultValueFactory = _ => "" };

    private static readonly Option<int> PerTarget = new("--per-target") { Description = "At most N sites of each target.", HelpName = "N" };

    public static Command Create()
    {
        Limit.Validators.Add(result =>
        {
            // What is no number at all is reported by the option's own conversion.
            if (result.Tokens is [var token] && int.TryParse(token.Value, out int rows) && rows is not (>= 1 and <= 10_000))
                result.AddError($"--limit {result.Tokens[0].Value}: expected 1 to 10,000");
        });
        var command = new Command("sites", "The hottest sites of a build, residual ones first, each with its state.") { Limit, All, Target, PerTarget, CommonOptions.Json };
        command.AddBuildSelector();
        command.SetHandler(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, Screen screen, Connection connection, CancellationToken cancel)
    {
        ListSitesResponse response = await connection.Coverage.ListSitesAsync(
            new ListSitesRequest
            {
                Build = CommonOptions.Selector(parsed),
                Limit = (uint)parsed.GetValue(Limit),
                All = parsed.GetValue(All),
                Target = parsed.GetValue(Target)!,
                PerTarget = (uint)Math.Max(parsed.GetValue(PerTarget), 0),
            },
            cancellationToken: cancel);
        screen.Show(
            new
            {
                response.Build,
                response.Series,
                response.Total,
                Sites = response.Sites.Select(s => new
                {
                    s.Image,
                    Address = $"0x{s.Address:x}",
                    s.Function,
                    s.Offset,
                    s.Unit,
                    s.Source,
                    s.Instruction,
                    s.Operation,
                    s.Target,
                    s.Size,
                    s.Traps,
                    s.Hits,
                    s.Elements,
                    s.Wedges,
                    s.State,
                    s.Reason,
                }),
            },
            console => Draw(console, response));
        UnregisteredHint.Say(screen, response.Unregistered);
        return response.Total > 0 ? ExitCode.Success : ExitCode.NoObservations;
    }

    private static void Draw(IAnsiConsole console, ListSitesResponse response)
    {
        console.WriteLine($"build {response.Build} of series {response.Series}: {Format.Count(response.Total)} sites" +
            (response.Total > (ulong)response.Sites.Count ? $", {response.Sites.Count} of the hottest" : ""));
        Table table = Screen.Table(
            ("traps", true), ("hits", true), ("target", false), ("operation", false), ("function", false), ("instruction", false), ("source", false), ("state", false));
        foreach (Site site in response.Sites)
        {
            table.AddRow(
                Format.Count(site.Traps), Format.Count(site.Hits), Format.Cell(site.Target), $"{site.Operation} {site.Size}",
                Format.Cell(Format.Fit(site.Function.Length > 0 ? $"{site.Function}+0x{site.Offset:x}" : $"{site.Image}+0x{site.Address:x}", 40)),
                Format.Cell(Format.Fit(site.Instruction, 34)), Format.Cell(Format.Fit(site.Source, 36)), Format.Cell(site.State == "annotated" && site.Reason.Length > 0 ? "annotated, trapped" : site.State));
        }
        console.Write(table);
    }
}
