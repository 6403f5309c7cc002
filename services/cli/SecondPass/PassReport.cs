using System.Globalization;
using Reheat.Cli.Terminal;
using Spectre.Console;

namespace Reheat.Cli.SecondPass;

/// <summary>The closing report of a second pass.</summary>
internal static class PassReport
{
    // On a terminal; --json and --report have them all.
    private const int MostShown = 20;

    public static void Show(Screen screen, PassResult result)
    {
        foreach (string diagnostic in result.Diagnostics.Take(MostShown))
            screen.Say(diagnostic);
        screen.Show(Document(result), console => Draw(console, result));
    }

    private static object Document(PassResult result) => new
    {
        result.Tree,
        ListSha256 = result.List,
        result.Padding,
        Class1 = result.ClassOne,
        result.MakeExitCode,
        result.Objects,
        ObjectsRebuilt = result.Rebuilt,
        ObjectsKept = result.Kept,
        result.Listed,
        result.Annotated,
        result.Drifted,
        result.Refused,
        RefusedByReason = result.Reasons("refused").ToDictionary(r => r.Reason, r => r.Count),
        result.Lost,
        LostByReason = result.Reasons("lost").ToDictionary(r => r.Reason, r => r.Count),
        Class1Annotated = result.ClassOneSites,
        ScanSeconds = Math.Round(result.ScanSeconds, 2),
        MakeSeconds = Math.Round(result.MakeSeconds, 2),
        Seconds = Math.Round(result.Seconds, 2),
        result.Diagnostics,
        Sites = result.Sites.Where(s => s.State != "annotated" || s.Match == "drifted"),
    };

    private static void Draw(IAnsiConsole console, PassResult result)
    {
        SiteOutcome[] other = [.. result.Sites.Where(s => s.State != "annotated" || s.Match == "drifted")];
        if (other.Length > 0)
        {
            Table sites = Screen.Table(("state", false), ("function", false), ("ordinal", true), ("instruction", false), ("unit", false), ("why", false));
            foreach (SiteOutcome site in other.OrderBy(s => s.State, StringComparer.Ordinal).Take(MostShown))
            {
                bool isDrifted = site.State == "annotated";
                sites.AddRow(
                    isDrifted ? "drifted" : Format.Cell(site.State), Format.Cell(Format.Fit(site.Function, 40)), site.Ordinal.ToString(CultureInfo.InvariantCulture),
                    Format.Cell(Format.Fit(site.Instruction, 30)), Format.Cell(Format.Fit(site.Unit, 40)),
                    isDrifted ? string.Create(CultureInfo.InvariantCulture, $"found again, confidence {site.Confidence:0.00}") : Format.Cell(Format.Fit(site.Detail.Length > 0 && site.Detail != site.Reason ? $"{site.Reason}: {site.Detail}" : site.Reason, 70)));
            }
            console.Write(sites);
            if (other.Length > MostShown)
                console.WriteLine($"… and {Format.Count(other.Length - MostShown)} more: --json has them");
        }
        Table sums = Screen.Table(("listed", true), ("annotated", true), ("drifted", true), ("refused", true), ("lost", true), ("objects rebuilt", true), ("kept", true), ("seconds", true));
        sums.AddRow(
            Format.Count(result.Listed), Format.Count(result.Annotated), Format.Count(result.Drifted), Format.Count(result.Refused), Format.Count(result.Lost),
            Format.Count(result.Rebuilt), Format.Count(result.Kept), result.Seconds.ToString("0.0", CultureInfo.InvariantCulture));
        console.Write(sums);
        foreach (string state in (string[])["refused", "lost"])
        {
            if (result.Reasons(state) is { Count: > 0 } reasons)
                console.WriteLine($"{state}: {string.Join(", ", reasons.Select(r => $"{Format.Count(r.Count)} {r.Reason}"))}");
        }
        if (result.ClassOne)
            console.WriteLine($"sensitive instructions annotated: {Format.Count(result.ClassOneSites)}");
    }
}
