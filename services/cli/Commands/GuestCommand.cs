using System.CommandLine;
using System.Diagnostics;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using Reheat.Agent;
using Reheat.Cli.Client;
using Reheat.Cli.Guests;
using Reheat.Cli.Terminal;
using Reheat.V1;
using Spectre.Console;

namespace Reheat.Cli.Commands;

/// <summary><c>reheat guest run</c>.</summary>
internal static class GuestCommand
{
    private static readonly Option<string[]> Images = new("--image")
    {
        Description = "An image that the guest runs (vmlinux, a module). PATH@BIAS if it is not loaded at its link address. May be repeated.",
        HelpName = "PATH[@BIAS]",
        Required = true,
    };

    private static readonly Option<string> Series = new("--series")
    {
        Description = "Register the images as a build of this series.",
        HelpName = "NAME",
        DefaultValueFactory = _ => BuildUpload.DefaultSeries,
    };

    private static readonly Option<string> Guest = new("--guest")
    {
        Description = "The guest's name, unique on this machine. Default: the series.",
        HelpName = "NAME",
        DefaultValueFactory = _ => "",
    };

    private static readonly Option<double> TimeLimit = new("--time-limit")
    {
        Description = "End the guest after so long.",
        HelpName = "SECONDS",
    };

    private static readonly Option<double> DrainLimit = new("--drain-limit")
    {
        Description = "How long to wait for the collector after the guest has ended; then what is not delivered is kept.",
        HelpName = "SECONDS",
        DefaultValueFactory = _ => 60,
    };

    private static readonly Option<string> Console = new("--console")
    {
        Description = "Write QEMU's standard output (the guest's console with -nographic or -serial stdio) to FILE.",
        HelpName = "FILE",
        DefaultValueFactory = _ => "",
    };

    private static readonly Option<string> Session = new("--session")
    {
        Description = "The session directory: must not exist yet. Default: a new one, removed once all is delivered.",
        HelpName = "DIR",
        DefaultValueFactory = _ => "",
    };

    private static readonly Option<long> Capacity = new("--ring-records") { Description = "Records that each vCPU's ring holds (a power of two).", HelpName = "N" };

    private static readonly Option<bool> Verbose = new("--verbose", "-v") { Description = "Log what the agent does." };

    private static readonly Argument<string[]> Qemu = new("QEMU-ARGS")
    {
        Description = $"After --: any QEMU command line. The first word may be the program (default {QemuCommand.DefaultProgram}).",
        Arity = ArgumentArity.OneOrMore,
    };

    public static Command Create()
    {
        foreach (Option<double> seconds in (Option<double>[])[TimeLimit, DrainLimit])
        {
            seconds.Validators.Add(result =>
            {
                if (result.Errors.Any() || result.GetValueOrDefault<double>() is >= 0 and <= 1_000_000)
                    return;
                result.AddError($"{seconds.Name} {result.Tokens[0].Value}: expected 0 to 1,000,000 seconds");
            });
        }
        var run = new Command("run", "Boot a guest under the QEMU wedge and stream its traces. Ends when QEMU ends, after --time-limit or on Ctrl-C; nothing recorded is lost.")
        {
            Images, Series, Guest, TimeLimit, DrainLimit, Console, Session, Capacity, Verbose, CommonOptions.Json, Qemu,
        };
        run.SetHandler(RunAsync);
        return new Command("guest", "Run guests under a wedge.") { run };
    }

    private static async Task<int> RunAsync(ParseResult parsed, Screen screen, Connection connection, CancellationToken interrupt)
    {
        string[] paths = [.. parsed.GetValue(Images)!.Select(i => GuestImages.Split(i).Path)];
        IReadOnlyList<GuestImage> images = GuestImages.Read(parsed.GetValue(Images)!);
        string series = parsed.GetValue(Series)!;
        string guest = parsed.GetValue(Guest) is { Length: > 0 } name ? name : series;
        string plugin = Wedge.FindPlugin();
        AddBuildResponse build = await BuildUpload.RunAsync(connection, screen, paths, series, "", interrupt);
        screen.Say($"build {build.Build.Build_} of series {build.Build.Series}{(build.Existed ? "" : " (new)")}: {string.Join(", ", images.Select(i => $"{i.Name} {i.BuildId.Short}"))}");

        string session = parsed.GetValue(Session) is { Length: > 0 } directory ? Path.GetFullPath(directory) : SessionDirectory.New();
        (string Path, int Sites)? annotated = AnnotatedFile.Write(session, parsed.GetValue(Images)!, static _ => { }); // the upload has told what is wrong with records
        if (annotated is { } told)
            screen.Say($"{Format.Count(told.Sites)} annotated sites: QEMU observes and does not rewrite; a hit is an execution that a rewriting wedge would not trap");
        QemuCommand qemu = QemuCommand.Build(parsed.GetValue(Qemu)!, plugin, session, guest, images, parsed.GetValue(Capacity), annotated?.Path);
        using ILoggerFactory logs = ConsoleLogging.ForAgent(parsed.GetValue(Verbose));
        var options = new AgentOptions
        {
            Session = session,
            Collector = connection.Collector,
            Wedge = $"{Environment.MachineName}/{guest}",
            Images = images,
            MonitorSocket = qemu.AgentMonitor,
        };
        await using var agent = new WedgeAgent(options, TimeProvider.System, logs.CreateLogger<WedgeAgent>());
        var run = new GuestRun(qemu, agent, parsed.GetValue(Console) is { Length: > 0 } file ? file : null, logs.CreateLogger<GuestRun>());
        long start = Stopwatch.GetTimestamp();
        using var draining = new CancellationTokenSource();
        Task streaming = agent.RunAsync(draining.Token);
        Task<GuestEnd> running = run.RunAsync(TimeSpan.FromSeconds(parsed.GetValue(TimeLimit)), interrupt);
        if (await Task.WhenAny(streaming, running) == streaming && streaming.IsFaulted)
            screen.Say($"the agent stopped: {streaming.Exception!.InnerException!.Message}");
        GuestEnd end = await running;
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        await DeliverAsync(screen, agent, streaming, draining, TimeSpan.FromSeconds(parsed.GetValue(DrainLimit)), options);

        SessionCounts counts = SessionCounts.Read(session);
        AccountingRow? stored = await AccountAsync(screen, connection, options.Wedge, counts.Epoch);
        if (parsed.GetValue(Session) is not { Length: > 0 })
            SessionDirectory.Delete(session);
        Show(screen, build.Build, end, run.ExitCode, seconds, counts, stored, agent.Status, annotated?.Sites ?? 0);
        return (end, run.ExitCode) switch
        {
            (GuestEnd.Interrupted, _) => ExitCode.Interrupted,
            (GuestEnd.TimeLimit, _) => ExitCode.Success,
            (_, 0) => ExitCode.Success,
            _ => ExitCode.GuestFailed,
        };
    }

    /// <summary>The collector's account of the run; null, with a message, if it is away just now: the traces are delivered all the same.</summary>
    private static async Task<AccountingRow?> AccountAsync(Screen screen, Connection connection, string wedge, ulong epoch)
    {
        try
        {
            AccountingResponse response = await connection.Coverage.GetAccountingAsync(
                new AccountingRequest { Wedge = wedge }, new CallOptions(deadline: DateTime.UtcNow.AddSeconds(30)).WithWaitForReady());
            return response.Rows.FirstOrDefault(r => r.Epoch == epoch);
        }
        catch (RpcException e)
        {
            screen.Say($"all is delivered, but the collector did not say what it has stored: {e.Status.Detail}");
            return null;
        }
    }

    private static async Task DeliverAsync(Screen screen, WedgeAgent agent, Task streaming, CancellationTokenSource draining, TimeSpan limit, AgentOptions options)
    {
        draining.CancelAfter(limit);
        try
        {
            await streaming;
        }
        catch (Exception e) when (e is OperationCanceledException or AgentException)
        {
            string reason = e is AgentException ? e.Message : $"{options.Collector} did not take all within {limit.TotalSeconds:0} s ({agent.Status.Connection})";
            screen.Say($"the traces are kept in {options.Session} — deliver them later with: reheat agent --session {options.Session} --wedge {options.Wedge} --image …");
            throw new CommandException(ExitCode.NotDelivered, reason);
        }
    }

    private static void Show(
        Screen screen, Build build, GuestEnd end, int qemuExit, double seconds, SessionCounts counts, AccountingRow? stored, AgentStatus status, int annotated)
    {
        screen.Show(
            new
            {
                Build = build.Build_,
                build.Series,
                Ended = end.ToString().ToLowerInvariant(),
                QemuExitCode = qemuExit,
                Seconds = Math.Round(seconds, 2),
                Epoch = $"{counts.Epoch:x16}",
                TrapsRecorded = counts.Traps,
                TrapsStored = stored?.Stored ?? 0,
                TrapsDropped = stored?.Dropped ?? counts.DroppedTraps,
                HitsRecorded = counts.Hits,
                HitsStored = stored?.HitsStored ?? 0,
                HitsDropped = stored?.HitsDropped ?? counts.DroppedHits,
                Annotated = annotated,
                OutsideImages = stored?.OutsideImages ?? counts.OutsideTraps,
                counts.Records,
                counts.Spurious,
                status.Sites,
                status.Reconnects,
            },
            console =>
            {
                Table table = Screen.Table(("traps recorded", true), ("stored", true), ("dropped", true), ("hits recorded", true), ("stored", true), ("dropped", true), ("outside images", true), ("sites", true), ("seconds", true));
                table.AddRow(Format.Count(counts.Traps), Format.Count(stored?.Stored ?? 0), Format.Count(stored?.Dropped ?? counts.DroppedTraps),
                    Format.Count(counts.Hits), Format.Count(stored?.HitsStored ?? 0), Format.Count(stored?.HitsDropped ?? counts.DroppedHits),
                    Format.Count(stored?.OutsideImages ?? counts.OutsideTraps), Format.Count(status.Sites), $"{seconds:0.0}");
                console.Write(table);
            });
        if (end == GuestEnd.Ended && qemuExit != 0)
            screen.Say($"QEMU ended with exit code {qemuExit}");
    }
}
