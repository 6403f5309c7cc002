using System.CommandLine;
using Reheat.Cli.Client;
using Reheat.Cli.Terminal;
using Reheat.V1;
using Spectre.Console;

namespace Reheat.Cli.Commands;

/// <summary><c>reheat sites</c>.</summary>
internal static class SitesCommand
{
    private static readonly Option<int> Limit = NumberOption.Create("--limit", "N", "Rows at most: one for each operation and target of a site. Default: 20.", 1, 10_000, "-n");

    private const uint DefaultLimit = 20;

    private static readonly Option<bool> All = new("--all") { Description = "Also sites without residual traps." };

    private static readonly Option<string> Target = new("--target") { Description = "Only sites that touched this: lapic, e1000 …", HelpName = "NAME" };

    private static readonly Option<int> PerTarget = NumberOption.Create("--per-target", "N", "At most N rows of each target.", 1, 10_000);

    private static readonly Option<bool> Tdx = new("--tdx")
    {
        Description = "Which functions access devices, how often, and which of these accesses the MMIO decoders of Linux 6.1 in TDX and SEV guests do not take. Those that cross a page or come from user space they refuse too, which only a run can tell.",
    };

    public static Command Create()
    {
        var command = new Command("sites", "The hottest sites of a build, residual ones first, each with its state.") { Limit, All, Target, PerTarget, Tdx, CommonOptions.Json };
        command.AddBuildSelector();
        command.SetHandler(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, Screen screen, Connection connection, CancellationToken cancel)
    {
        if (parsed.GetValue(Tdx))
            return await DecodersReport.ShowAsync(screen, connection, CommonOptions.Selector(parsed), parsed.GetValue(Target) ?? "", parsed.GetValue(Limit), cancel);
        ListSitesResponse response = await connection.Coverage.ListSitesAsync(
            new ListSitesRequest
            {
                Build = CommonOptions.Selector(parsed),
                Limit = parsed.GetValue(Limit) is > 0 and var limit ? (uint)limit : DefaultLimit,
                All = parsed.GetValue(All),
                Target = parsed.GetValue(Target) ?? "",
                PerTarget = (uint)parsed.GetValue(PerTarget),
            },
            cancellationToken: cancel);
        screen.Show(
            new
            {
                response.Build,
                response.Series,
                response.Total,
                response.DistinctSites,
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
                    TdxDecodable = s.HasTdxDecodable ? s.TdxDecodable : (bool?)null,
                    SevDecodable = s.HasSevDecodable ? s.SevDecodable : (bool?)null,
                }),
            },
            console => Draw(console, response));
        if (response.Total == 0)
            screen.Say($"no site of build {response.Build} {(parsed.GetValue(Target) is { Length: > 0 } target ? $"that touched {target} " : "")}was seen{(parsed.GetValue(All) ? "" : " to trap")}");
        UnregisteredHint.Say(screen, response.Unregistered);
        return response.Total > 0 ? ExitCode.Success : ExitCode.NoObservations;
    }

    private static void Draw(IAnsiConsole console, ListSitesResponse response)
    {
        console.WriteLine($"build {response.Build} of series {response.Series}: {Format.Count(response.DistinctSites, "site")}" +
            (response.Total == response.DistinctSites ? "" : $" in {Format.Count(response.Total, "row")}") +
            (response.Total > (ulong)response.Sites.Count ? $"; the {response.Sites.Count} hottest" : ""));
        Table table = Screen.Table(
            ("traps", true), ("hits", true), ("target", false), ("operation", false), ("function", false), ("instruction", false), ("source", false), ("state", false)).Flexible("source", "instruction", "function");
        foreach (Site site in response.Sites)
        {
            table.AddRow(
                Format.Count(site.Traps), Format.Count(site.Hits), Format.Cell(site.Target), $"{site.Operation} {site.Size}",
                Format.Cell(site.Function.Length > 0 ? $"{site.Function}+0x{site.Offset:x}" : $"{site.Image}+0x{site.Address:x}"),
                Format.Cell(site.Instruction), Format.Cell(site.Source), Format.Cell(site.State == "annotated" && site.Reason.Length > 0 ? "annotated, trapped" : site.State));
        }
        console.Write(table);
    }
}
