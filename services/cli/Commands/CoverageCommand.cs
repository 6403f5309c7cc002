using System.CommandLine;
using System.Globalization;
using Reheat.Cli.Client;
using Reheat.Cli.Terminal;
using Reheat.Core;
using Reheat.V1;
using Spectre.Console;

namespace Reheat.Cli.Commands;

/// <summary><c>reheat coverage</c>: rows of the view, and the gate for CI.</summary>
internal static class CoverageCommand
{
    private static readonly Option<double?> FailUnder = new("--fail-under")
    {
        Description = "Exit with 7 if the build's coverage is below P percent, with 6 if nothing was observed.",
        HelpName = "P",
    };

    private const string ObservedNote = "QEMU observes: hits are executions of annotated sites that a rewriting wedge would not trap";

    public static Command Create()
    {
        FailUnder.Validators.Add(result =>
        {
            // What is no number at all is reported by the option's own conversion.
            if (result.Tokens is [var token] && double.TryParse(token.Value, CultureInfo.InvariantCulture, out double percent) && percent is not (>= 0 and <= 100))
                result.AddError($"--fail-under {result.Tokens[0].Value}: expected a percentage from 0 to 100");
        });
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
        screen.Show(
            new
            {
                response.Build,
                response.Series,
                Traps = traps,
                Hits = hits,
                Coverage = total,
                HitsWithoutRecord = without,
                DroppedByAllWedges = dropped,
                Note = ObservedNote,
                Rows = observed.Select(r => new { r.Image, r.Operation, r.Target, r.Sites, r.Annotated, r.Traps, r.Hits, r.HitsWithoutRecord, Coverage = r.HasCoverage ? r.Coverage : (double?)null }),
            },
            console => Draw(console, response, observed, traps, hits, without, total, dropped));

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

    private static void Draw(IAnsiConsole console, CoverageResponse response, CoverageRow[] rows, ulong traps, ulong hits, ulong without, double? total, ulong dropped)
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
        table.AddRow("[bold]all[/]", "", "", Format.Count(rows.Aggregate(0UL, (sum, r) => sum + r.Sites)), Format.Count(rows.Aggregate(0UL, (sum, r) => sum + r.Annotated)), Format.Count(traps), Format.Count(hits), $"[bold]{Format.Percent(total)}[/]");
        console.Write(table);
        if (hits > 0)
            console.WriteLine(ObservedNote);
        if (without > 0)
            console.WriteLine($"{Format.Count(without)} hits were told of sites that the images have no record of: they count against coverage");
        if (dropped > 0)
            console.WriteLine($"{Format.Count(dropped)} traps of all wedges were dropped and are in no row (view reheat.drops says why)");
    }
}
