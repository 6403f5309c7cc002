using System.CommandLine;
using System.Diagnostics;
using System.Numerics;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using Reheat.Agent;
using Reheat.Cli.Client;
using Reheat.Cli.Guests;
using Reheat.Cli.Terminal;
using Reheat.Core.Ring;
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
    };

    private static readonly Option<double> TimeLimit = NumberOption.Seconds("--time-limit", "End the guest after so long. 0, or not given: no limit.");

    private static readonly Option<double> DrainLimit =
        NumberOption.Seconds("--drain-limit", "How long to wait for the collector after the guest has ended; then what is not delivered is kept.", otherwise: 60);

    private static readonly Option<string> Console = new("--console")
    {
        Description = "Write QEMU's standard output (the guest's console with -nographic or -serial stdio) to FILE.",
        HelpName = "FILE",
    };

    private static readonly Option<string> Session = new("--session")
    {
        Description = "The session directory: must not exist yet. Default: a new one, removed once all is delivered.",
        HelpName = "DIR",
    };

    private static readonly Option<long> Capacity = NumberOption.Create("--ring-records", "N", "Records that each vCPU's ring holds (a power of two). Default: 1,048,576.", 1L, (long)RingFormat.MaxCapacity);

    private static readonly Option<string> PageTables = new("--page-tables")
    {
        Description = "Which accesses to page tables are recorded beside those to devices: writes, all (reads are several times as many), or off.",
        HelpName = "off|writes|all",
        DefaultValueFactory = _ => QemuCommand.PageTableChoices[1],
    };

    private static readonly Option<string> Selftest = new("--selftest")
    {
        Description = "At the end, write what the images' own counters say (`reheat make --policy selftest`) to FILE: site and executions, JSON.",
        HelpName = "FILE",
        DefaultValueFactory = _ => "",
    };

    private static readonly Option<bool> Verbose = new("--verbose", "-v") { Description = "Log what the agent does." };

    private static readonly Argument<string[]> Qemu = new("QEMU-ARGS")
    {
        Description = $"After --: any QEMU command line. The first word may be the program (default {QemuCommand.DefaultProgram}).",
        Arity = ArgumentArity.OneOrMore,
    };

    public static Command Create()
    {
        Capacity.Validators.Add(static result =>
        {
            // What is no number at all is reported by the option's own conversion.
            if (result.Tokens is [var token] && long.TryParse(token.Value, out long records) && !BitOperations.IsPow2(records))
                result.AddError($"--ring-records {records}: expected a power of two");
        });
        PageTables.Validators.Add(static result =>
        {
            if (result.Tokens is [var token] && !QemuCommand.PageTableChoices.Contains(token.Value))
                result.AddError($"--page-tables {token.Value}: expected {string.Join(", ", QemuCommand.PageTableChoices[..^1])} or {QemuCommand.PageTableChoices[^1]}");
        });
        CommonOptions.AcceptSeriesNames(Series);
        var run = new Command("run", "Boot a guest under the QEMU wedge and stream its traces. Ends when QEMU ends, after --time-limit or on Ctrl-C; nothing recorded is lost.")
        {
            Images, Series, Guest, TimeLimit, DrainLimit, Console, Session, Capacity, PageTables, Selftest, Verbose, CommonOptions.Json, Qemu,
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
        // All that can be found wrong here and now, before a build is registered.
        QemuCommand.Check(parsed.GetValue(Qemu)!);
        if (parsed.GetValue(Session) is { Length: > 0 } named && Path.Exists(named))
            throw new CommandException(ExitCode.Usage, $"--session {named} exists — name a directory that does not exist yet");
        foreach (string doubt in parsed.GetValue(Images)!.Select(GuestImages.Doubt).OfType<string>())
            screen.Say($"warning: {doubt}");
        using GuestNameLock only = GuestNameLock.Take(guest, connection.Collector);
        AddBuildResponse build = await BuildUpload.RunAsync(connection, screen, paths, series, "", interrupt);
        screen.Say($"build {build.Build.Build_} of series {build.Build.Series}{(build.Existed ? "" : " (new)")}: {string.Join(", ", images.Select(i => $"{i.Name} {i.BuildId.Short}"))}");

        SelftestFile? selftest = parsed.GetValue(Selftest) is { Length: > 0 } counters ? SelftestFile.Of(counters, parsed.GetValue(Images)!.Select(GuestImages.Split)) : null;
        string session = parsed.GetValue(Session) is { Length: > 0 } directory ? Path.GetFullPath(directory) : SessionDirectory.New();
        using var unused = new UnusedSession(session, isOurs: parsed.GetValue(Session) is not { Length: > 0 });
        (string Path, int Sites)? annotated = AnnotatedFile.Write(session, parsed.GetValue(Images)!, static _ => { }); // the upload has told what is wrong with records
        if (annotated is { } told)
            screen.Say($"{Format.Count(told.Sites)} annotated sites: QEMU observes and does not rewrite; a hit is an execution that a rewriting wedge would not trap");
        QemuCommand qemu = QemuCommand.Build(parsed.GetValue(Qemu)!, plugin, session, guest, images, parsed.GetValue(Capacity), parsed.GetValue(PageTables)!, annotated?.Path);
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
        var run = new GuestRun(qemu, agent, parsed.GetValue(Console) is { Length: > 0 } file ? file : null, selftest, logs.CreateLogger<GuestRun>());
        long start = Stopwatch.GetTimestamp();
        using var draining = new CancellationTokenSource();
        Task streaming = agent.RunAsync(draining.Token);
        Task<GuestEnd> running = run.RunAsync(TimeSpan.FromSeconds(parsed.GetValue(TimeLimit)), interrupt);
        if (await Task.WhenAny(streaming, running) == streaming && streaming.IsFaulted)
            screen.Say($"the agent stopped: {streaming.Exception!.InnerException!.Message}");
        GuestEnd end = await running;
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (parsed.GetValue(Console) is not { Length: > 0 } && !System.Console.IsOutputRedirected)
            System.Console.Out.Write("\u001b[?7h"); // firmware switches line wrap off
        await DeliverAsync(agent, streaming, draining, TimeSpan.FromSeconds(parsed.GetValue(DrainLimit)), options, parsed.GetValue(Images)!);

        SessionCounts counts = SessionCounts.Read(session);
        AccountingRow? stored = await AccountAsync(screen, connection, options.Wedge, counts.Epoch);
        if (parsed.GetValue(Session) is not { Length: > 0 })
            SessionDirectory.Delete(session);
        if (selftest is { IsWritten: false })
            throw new CommandException(ExitCode.GuestFailed, $"QEMU ended before the counters for {selftest.Path} could be read");
        Show(screen, build.Build, end, run.ExitCode, seconds, counts, stored, agent.Status, annotated?.Sites ?? 0);
        string next = $"reheat annotations pull --build {build.Build.Build_} --wait -o {series}.annotations";
        if (counts.Records == 0)
            screen.Say(NothingRecorded(paths, counts.OutsideTraps));
        else
            screen.Say(await NewestAsync(connection, build) is { } newest && newest != build.Build.Build_ ? $"next: {next}   (build {newest} is the newest of series {series}; --series means that one)" : $"next: {next}");
        return (end, run.ExitCode) switch
        {
            (GuestEnd.Interrupted, _) => ExitCode.Interrupted,
            (GuestEnd.Ended, not 0) => ExitCode.GuestFailed,
            _ => counts.Records == 0 ? ExitCode.NoObservations : ExitCode.Success,
        };
    }

    private static string NothingRecorded(string[] paths, ulong outside)
    {
        string images = string.Join(", ", paths.Select(Path.GetFileName));
        return outside == 0
            ? "warning: nothing was recorded: the guest touched no device and no page table"
            : $"warning: no instruction of {images} touched a device or a page table, but code outside did {Format.Count(outside)} times. If the guest's kernel booted, it was moved (KASLR: boot it with nokaslr, " +
              $"or give its place with --image {Path.GetFileName(paths[0])}@BIAS), or {images} is not what it runs; if it did not, these are its firmware and boot loader";
    }

    /// <summary>The newest build of the series that was run; null if the collector does not say.</summary>
    private static async Task<long?> NewestAsync(Connection connection, AddBuildResponse build)
    {
        try
        {
            Build newest = await connection.Builds.GetAsync(new BuildSelector { Series = build.Build.Series }, new CallOptions(deadline: DateTime.UtcNow.AddSeconds(30)));
            return newest.Build_;
        }
        catch (RpcException)
        {
            return null;
        }
    }

    /// <summary>The collector's account of the run; null, with a message, if it is away just now: the traces are delivered all the same.</summary>
    public static async Task<AccountingRow?> AccountAsync(Screen screen, Connection connection, string wedge, ulong epoch)
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

    private static async Task DeliverAsync(
        WedgeAgent agent, Task streaming, CancellationTokenSource draining, TimeSpan limit, AgentOptions options, IEnumerable<string> images)
    {
        draining.CancelAfter(limit);
        try
        {
            await streaming;
        }
        catch (Exception e) when (e is OperationCanceledException or AgentException)
        {
            string reason = e is AgentException ? e.Message : $"{options.Collector} did not take all within {limit.TotalSeconds:0} s ({agent.Status.Connection})";
            ulong kept = SessionCounts.Undelivered(options.Session);
            if (kept == 0)
                throw new CommandException(ExitCode.Failure, reason);
            throw new CommandException(ExitCode.NotDelivered,
                $"{reason}\n{Format.Count(kept, "record")} {(kept == 1 ? "is" : "are")} kept in {options.Session} — deliver them with:\n  reheat agent --session {options.Session} --wedge {options.Wedge} " +
                $"{string.Join(' ', images.Select(i => $"--image {GuestImages.Text(i)}"))} --collector {options.Collector.ToString().TrimEnd('/')}");
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
                Ended = end switch { GuestEnd.TimeLimit => "time_limit", GuestEnd.Interrupted => "interrupted", _ => "ended" },
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
                OutsideRecorded = stored?.OutsideRecorded ?? 0,
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
            screen.Say(QemuEnd(qemuExit));
    }

    /// <summary>How QEMU ended, if not well. .NET reports a signal as 128 and its number.</summary>
    private static string QemuEnd(int exitCode) => exitCode switch
    {
        128 + 11 => "QEMU died of SIGSEGV (exit code 139). With several processors on threads of their own, QEMU 7.2 does so now and then, with a plugin or without: "
            + "-accel tcg,thread=single does not (services/wedges/qemu/README.md). What the rings held is counted",
        > 128 and <= 128 + 64 => $"QEMU ended with exit code {exitCode}: signal {exitCode - 128}, unless the guest chose it",
        _ => $"QEMU ended with exit code {exitCode}",
    };
}
