using System.CommandLine;
using Reheat.Cli.Client;
using Reheat.Cli.Terminal;
using Reheat.Core;
using Reheat.V1;
using Spectre.Console;

namespace Reheat.Cli.Commands;

/// <summary><c>reheat coverage</c>: rows of the view, and the gate for CI.</summary>
internal static class CoverageCommand
{
    private static readonly Option<double?> FailUnder =
        NumberOption.Optional("--fail-under", "P", "Exit with 7 if the build's coverage is below P percent, with 6 if nothing was observed.", 0, 100);

    private const string ObservedNote = "hits are executions of annotated sites: where a wedge rewrites, they do not trap; QEMU's observes and rewrites nothing";

    public static Command Create()
    {
        var command = new Command("coverage", "Coverage of a build: hits of annotated sites ÷ (hits + residual traps). Unseen is not \"not sensitive\".")
        {
            FailUnder, CommonOptions.Json,
        };
        command.AddBuildSelector();
        command.SetHandler(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, Screen screen, Connection connection, CancellationToken cancel)
    {
        CoverageResponse response = await connection.Coverage.GetCoverageAsync(CommonOptions.Selector(parsed), cancellationToken: cancel);
        AccountingResponse accounting = await connection.Coverage.GetAccountingAsync(new AccountingRequest { Summary = true }, cancellationToken: cancel);
        CoverageRow[] observed = [.. response.Rows.Where(r => r.Traps > 0 || r.Hits > 0 || r.HitsWithoutRecord > 0)];
        ulong traps = Saturating.Sum(observed.Select(r => r.Traps));
        ulong hits = Saturating.Sum(observed.Select(r => r.Hits));
        ulong without = Saturating.Sum(observed.Select(r => r.HitsWithoutRecord));
        double? total = observed.Length > 0 ? hits / ((double)traps + hits + without) : null;
        ulong dropped = accounting.Summary?.Dropped ?? 0;
        long pending = accounting.Summary?.Pending ?? 0;
        DropSum[] drops = [.. accounting.Summary?.Drops ?? []];
        screen.Show(
            new
            {
                response.Build,
                response.Series,
                Traps = traps,
                Hits = hits,
                Coverage = total,
                HitsWithoutRecord = without,
                Sites = response.DistinctSites,
                DroppedByAllWedges = dropped,
                PendingOfAllWedges = pending,
                Dropped = drops.Select(d => new { d.Reason, d.Traps, d.Hits, d.Records }),
                Note = ObservedNote,
                Rows = observed.Select(r => new { r.Image, r.Operation, r.Target, r.Sites, r.Annotated, r.Traps, r.Hits, r.HitsWithoutRecord, Coverage = r.HasCoverage ? r.Coverage : (double?)null }),
            },
            console =>
            {
                Draw(console, response, observed, traps, hits, without, total);
                DrawDrops(console, drops);
                if (pending > 0)
                    console.WriteLine($"{Format.Count(pending, "trap")} of all wedges {(pending == 1 ? "is" : "are")} not here yet: on the way, or counted by a wedge that was killed before it could record {(pending == 1 ? "it" : "them")}");
            });

        if (total is null)
        {
            screen.Say($"nothing was observed of build {response.Build}: its coverage is unknown, not 100%");
            UnregisteredHint.Say(screen, response.Unregistered);
            return ExitCode.NoObservations;
        }
        if (parsed.GetValue(FailUnder) is { } percent && total * 100 < percent)
        {
            screen.Say($"coverage {Format.Percent(total)} is below {percent}%");
            return ExitCode.BelowThreshold;
        }
        return ExitCode.Success;
    }

    private static void Draw(IAnsiConsole console, CoverageResponse response, CoverageRow[] rows, ulong traps, ulong hits, ulong without, double? total)
    {
        console.WriteLine($"build {response.Build} of series {response.Series}");
        if (rows.Length == 0)
            return;
        Table table = Screen.Table(("image", false), ("target", false), ("operation", false), ("sites", true), ("annotated", true), ("traps", true), ("hits", true), ("coverage", true));
        foreach (CoverageRow row in rows)
        {
            table.AddRow(Format.Cell(row.Image), Format.Cell(row.Target), Format.Cell(row.Operation), Format.Count(row.Sites), Format.Count(row.Annotated), Format.Count(row.Traps), Format.Count(row.Hits),
                Format.Percent(row.HasCoverage ? row.Coverage : null));
        }
        table.AddRow("[bold]all[/]", "", "", Format.Count(response.DistinctSites), Format.Count(rows.Aggregate(0UL, (sum, r) => sum + r.Annotated)), Format.Count(traps), Format.Count(hits), $"[bold]{Format.Percent(total)}[/]");
        console.Write(table);
        if (hits > 0)
            console.WriteLine(ObservedNote);
        if (without > 0)
            console.WriteLine($"{Format.Count(without)} hits were told of sites that the images have no record of: they count against coverage");
    }

    /// <summary>Also where nothing was observed: perhaps because all was dropped.</summary>
    private static void DrawDrops(IAnsiConsole console, DropSum[] drops)
    {
        if (drops.Length == 0)
            return;
        console.WriteLine("dropped by all wedges, and in no row above:");
        Table table = Screen.Table(("reason", false), ("traps", true), ("hits", true), ("records", true));
        foreach (DropSum drop in drops)
            table.AddRow(Format.Cell(drop.Reason), Format.Count(drop.Traps), Format.Count(drop.Hits), Format.Count(drop.Records));
        console.Write(table);
        console.WriteLine("view reheat.drops has them by wedge and session");
    }
}
