using System.CommandLine;
using Reheat.Cli.Terminal;
using Reheat.Core;
using Reheat.Core.Ring.Checking;
using Spectre.Console;

namespace Reheat.Cli.Commands;

/// <summary><c>reheat wedge check</c>: the conformance test for wedges.</summary>
internal static class WedgeCommand
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(20);

    private static readonly Argument<string> Session = new("DIR") { Description = "The wedge's session directory, of a wedge that runs or has run." };

    private static readonly Option<bool> Follow = new("--follow")
    {
        Description = "Wait for the session to begin and check every record as it comes, until the wedge has ended. Without it, what is there now is checked: records that were overwritten since are not.",
    };

    public static Command Create()
    {
        var check = new Command("check", "Check a session against the ring's contract (reheat_ring.h), which every wedge keeps. Only looks; an agent may read the session at the same time.")
        {
            Session, Follow, CommonOptions.Json,
        };
        check.SetAction((parsed, cancel) => RunAsync(Path.GetFullPath(parsed.GetValue(Session)!), parsed.GetValue(Follow), new Screen(parsed.GetValue(CommonOptions.Json)), cancel));
        return new Command("wedge", "Help for those who write wedges.") { check };
    }

    private static async Task<int> RunAsync(string session, bool follow, Screen screen, CancellationToken cancel)
    {
        for (bool said = false; !Directory.Exists(session); said = true)
        {
            if (!follow)
                throw new CommandException(ExitCode.BadInput, $"there is no directory {session}: give the session directory of a wedge");
            if (!said)
                screen.Say($"waiting for a wedge to make {session}");
            await Task.Delay(LookEvery, cancel);
        }
        SessionReport report;
        try
        {
            using var check = new SessionCheck(session);
            while (!check.Look() && follow && !cancel.IsCancellationRequested)
                await Task.Delay(LookEvery, cancel).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            report = check.Finish();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.BadInput, $"session {session} cannot be read: {e.Message}");
        }
        Show(screen, session, report);
        return report.Counts.Count > 0 ? ExitCode.ContractBroken : cancel.IsCancellationRequested ? ExitCode.Interrupted : ExitCode.Success;
    }

    private static void Show(Screen screen, string session, SessionReport report) => screen.Show(
        new
        {
            Session = session,
            report.Wedge?.Kind,
            report.Wedge?.Version,
            report.Wedge?.Guest,
            Rings = report.Rings.Select(r => new
            {
                r.Ring,
                State = NameOf(r.State),
                r.Version,
                r.Capacity,
                r.Records,
                r.Checked,
                r.Counters.Traps,
                r.Counters.Hits,
                r.Counters.DroppedTraps,
                r.Counters.DroppedHits,
                r.Counters.DroppedRecords,
            }),
            report.Sites,
            report.CodeEntries,
            Violations = report.Violations.Select(v => new { Id = v.Id.ToString(), v.Place, v.Message }),
            Counts = report.Counts.OrderBy(c => c.Key).ToDictionary(c => c.Key.ToString(), c => c.Value),
        },
        console => Draw(console, session, report));

    private static void Draw(IAnsiConsole console, string session, SessionReport report)
    {
        if (report.Wedge is { } wedge)
            console.WriteLine($"wedge {wedge.Kind} {wedge.Version}, guest {wedge.Guest}: {Format.Count(report.Sites, "site")}, {Format.Count(report.CodeEntries)} code entries");
        Table table = Screen.Table(("ring", true), ("state", false), ("version", true), ("capacity", true), ("records", true), ("checked", true), ("traps", true), ("hits", true), ("dropped records", true));
        foreach (RingReport r in report.Rings)
        {
            table.AddRow(Format.Count(r.Ring), NameOf(r.State), Format.Count(r.Version), Format.Count(r.Capacity), Format.Count(r.Records), Format.Count(r.Checked),
                Format.Count(r.Counters.Traps), Format.Count(r.Counters.Hits), Format.Count(r.Counters.DroppedRecords));
        }
        console.Write(table);
        foreach (Diagnostic violation in report.Violations)
            console.Profile.Out.Writer.WriteLine(violation.ToString()); // a line however long it is
        foreach ((DiagnosticId id, long count) in report.Counts.OrderBy(c => c.Key))
        {
            if (count - report.Violations.Count(v => v.Id == id) is > 0 and var more)
                console.WriteLine($"and {Format.Count(more)} more {id}");
        }
        console.WriteLine(report.Counts.Count == 0 ? $"{session} keeps the contract" : $"{session} breaks the contract in {Format.Count(report.Counts.Values.Sum(), "place")}");
    }

    private static string NameOf(RingState state) => state switch { RingState.Closed => "closed", RingState.Open => "open", _ => "abandoned" };
}
