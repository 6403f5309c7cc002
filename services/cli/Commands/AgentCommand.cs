using System.CommandLine;
using Microsoft.Extensions.Logging;
using Reheat.Agent;
using Reheat.Agent.Spooling;
using Reheat.Cli.Client;
using Reheat.Cli.Guests;
using Reheat.Cli.Terminal;
using Reheat.Core.Ring;
using Reheat.V1;
using Spectre.Console;

namespace Reheat.Cli.Commands;

/// <summary><c>reheat agent</c>: streams the session of a wedge that runs, or ran, on its own.</summary>
internal static class AgentCommand
{
    private static readonly Option<string> Session = new("--session") { Description = "The wedge's session directory.", HelpName = "DIR", Required = true };

    private static readonly Option<string> WedgeName = new("--wedge")
    {
        Description = "The wedge's name, unique in the fleet. Default: the host's name and the session directory's.",
        HelpName = "NAME",
    };

    private static readonly Option<string[]> Images = new("--image")
    {
        Description = "An image that the guest runs; PATH@BIAS if it is not loaded at its link address. May be repeated.",
        HelpName = "PATH[@BIAS]",
        Required = true,
    };

    private static readonly Option<string> Monitor = new("--monitor")
    {
        Description = "QEMU's QMP socket, to name targets through the machine's memory map. Default: DIR.qmp, if it is there.",
        HelpName = "SOCKET",
    };

    private static readonly Option<bool> Ended = new("--ended")
    {
        Description = "The wedge has ended: deliver what its rings hold, and stop. Needed where its end cannot be seen, as it ran in another PID namespace (a container) and was killed.",
    };

    private static readonly Option<bool> Force = new("--force")
    {
        Description = "Go on though the images are not the code that the wedge recorded, or the collector does not know the session: what does not fit is counted as outside or lost, for good.",
    };

    private static readonly Option<string> SpoolDirectory = new("--spool")
    {
        Description = "Where records wait on disk for a collector that is away; what earlier sessions left there is delivered first. Default: they wait in the rings alone.",
        HelpName = "DIR",
    };

    private static readonly Option<long> SpoolSize = new("--spool-size")
    {
        Description = "Mebibytes of the spool. When it is full its oldest segment is dropped, and counted.",
        HelpName = "MIB",
        DefaultValueFactory = _ => 1024,
    };

    private static readonly Option<double> SpoolAfter = new("--spool-after")
    {
        Description = "Seconds that records wait in a ring before they go to the spool; a ring that is half full goes at once.",
        HelpName = "SECONDS",
        DefaultValueFactory = _ => 5,
    };

    private static readonly Option<SpoolSync> Sync = new("--spool-sync")
    {
        Description = "When spooled records must be on the disk: always (before the ring forgets them), segment (when a segment is full), never (when the system sees fit).",
        DefaultValueFactory = _ => SpoolSync.Always,
    };

    private static readonly Option<string> TokenFile = new("--token-file")
    {
        Description = "A file with the token that the collector asks for.",
        HelpName = "FILE",
    };

    private static readonly Option<Uri[]> Fallbacks = new("--fallback")
    {
        Description = "Another collector of the same database, taken where the one before fails. May be repeated.",
        HelpName = "URL",
        CustomParser = CommonOptions.ParseUris,
    };

    private static readonly Option<bool> Verbose = new("--verbose", "-v") { Description = "Log what the agent does." };

    public static Command Create()
    {
        var command = new Command("agent", "Stream a wedge's session to the collector until the wedge has ended and all is delivered. May be killed and started again at any time.")
        {
            Session, WedgeName, Images, Monitor, Fallbacks, SpoolDirectory, SpoolSize, SpoolAfter, Sync, TokenFile, Ended, Force, Verbose, CommonOptions.Json,
        };
        command.SetHandler(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, Screen screen, Connection connection, CancellationToken cancel)
    {
        string session = Path.GetFullPath(parsed.GetValue(Session)!);
        if (File.Exists(session))
            throw new CommandException(ExitCode.BadInput, $"--session {session} is a file: expected the directory that the wedge makes");
        string monitor = parsed.GetValue(Monitor) is { Length: > 0 } named ? named : QemuCommand.AgentMonitorOf(session);
        IReadOnlyList<GuestImage> images = GuestImages.Read(parsed.GetValue(Images)!);
        bool force = parsed.GetValue(Force);
        WedgeInfo info = await WaitForWedgeAsync(screen, session, parsed.GetValue(Ended), cancel);
        if (!force && GuestImages.Mismatch(info.Inside, images) is { } mismatch)
        {
            throw new CommandException(ExitCode.BadInput,
                $"these are not the images of session {session}: {mismatch} — give each image that the guest ran with the bias that it had (--image PATH@BIAS), or --force: records outside are then dropped");
        }
        using ILoggerFactory logs = ConsoleLogging.ForAgent(parsed.GetValue(Verbose));
        var options = new AgentOptions
        {
            Session = session,
            Collector = connection.Collector,
            Fallbacks = parsed.GetValue(Fallbacks) ?? [],
            Wedge = parsed.GetValue(WedgeName) is { Length: > 0 } name ? name : $"{Environment.MachineName}/{Path.GetFileName(session)}",
            Images = images,
            MonitorSocket = monitor,
            RefuseUnknownSession = !force,
            Spool = SpoolOf(parsed),
            Token = TokenOf(parsed),
        };
        await using var agent = new WedgeAgent(options, TimeProvider.System, logs.CreateLogger<WedgeAgent>());
        if (parsed.GetValue(Ended))
            agent.WedgeEnded();
        try
        {
            await agent.RunAsync(cancel);
        }
        catch (OperationCanceledException) when (options.Spool is { } spool && SpooledBytes(spool, options.Wedge) is > 0 and var bytes)
        {
            screen.Say($"{Format.Bytes(bytes)} wait in the spool {spool.Directory}: the next agent of wedge {options.Wedge} with this spool delivers them");
            throw;
        }
        catch (AgentException e)
        {
            throw new CommandException(e.IsMisdirected ? ExitCode.BadInput : ExitCode.NotDelivered, e.Message);
        }
        SessionCounts counts = SessionCounts.Read(session);
        using Connection reached = new(agent.Status.Collector ?? connection.Collector); // which may not be the one that was named first
        AccountingRow? account = await GuestCommand.AccountAsync(screen, reached, options.Wedge, counts.Epoch);
        screen.Show(
            new
            {
                Epoch = $"{counts.Epoch:x16}",
                options.Wedge,
                TrapsRecorded = counts.Traps,
                HitsRecorded = counts.Hits,
                TrapsStored = account?.Stored,
                TrapsDropped = account?.Dropped,
                OutsideRecorded = account?.OutsideRecorded,
                counts.Records,
                RecordsLost = agent.Status.Lost,
                agent.Status.Acknowledged,
                agent.Status.Sites,
                agent.Status.Reconnects,
            },
            console => console.WriteLine($"{options.Wedge}: {Format.Count(counts.Traps, "trap")} recorded{(account is null ? "" : $" = {Account(account)}")}{(counts.Hits > 0 ? $"; {Format.Count(counts.Hits, "hit")} recorded{(account is null ? "" : $", {Format.Count(account.HitsStored)} of them stored")}" : "")}"));
        if (!force && agent.Status.Lost == 0 && account is { Stored: 0, Dropped: 0, HitsStored: 0, HitsDropped: 0, OutsideRecorded: > 0 })
        {
            screen.Say($"warning: all of it lies outside the images: {string.Join(", ", images.Select(i => i.Name))} is not what the guest ran, or not where it ran (--image PATH@BIAS); it is counted as outside, for good");
            return ExitCode.NoObservations;
        }
        if (agent.Status.Lost == 0)
            return ExitCode.Success;
        screen.Say($"{Format.Count(agent.Status.Lost, "record")} that the collector had acknowledged before {(agent.Status.Lost == 1 ? "is" : "are")} gone: it does not know of them now (another --wedge name? its database restored?)");
        return ExitCode.Failure;
    }

    private static SpoolOptions? SpoolOf(ParseResult parsed)
    {
        if (parsed.GetValue(SpoolDirectory) is not { Length: > 0 } directory)
            return null;
        long bytes = parsed.GetValue(SpoolSize) << 20;
        double after = parsed.GetValue(SpoolAfter);
        if (bytes < SpoolOptions.LeastBytes || bytes >> 20 != parsed.GetValue(SpoolSize))
            throw new CommandException(ExitCode.Usage, $"--spool-size is {parsed.GetValue(SpoolSize)}: expected at least 1 MiB");
        if (after is not (>= 0 and <= 86_400))
            throw new CommandException(ExitCode.Usage, $"--spool-after is {after}: expected 0 to 86400 seconds");
        return new SpoolOptions { Directory = Path.GetFullPath(directory), MaxBytes = bytes, After = TimeSpan.FromSeconds(after), Sync = parsed.GetValue(Sync) };
    }

    // Other wedges have their own directories beside this one.
    private static ulong SpooledBytes(SpoolOptions spool, string wedge)
    {
        var directory = new DirectoryInfo(Spool.DirectoryOf(spool, wedge));
        return directory.Exists ? directory.EnumerateFiles("*.spool", SearchOption.AllDirectories).Aggregate(0UL, (sum, file) => sum + (ulong)file.Length) : 0;
    }

    private static string? TokenOf(ParseResult parsed)
    {
        if (parsed.GetValue(TokenFile) is not { Length: > 0 } file)
            return null;
        try
        {
            return File.ReadAllText(file).Trim() is { Length: > 0 } token ? token : throw new CommandException(ExitCode.BadInput, $"--token-file {file} is empty");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.BadInput, $"--token-file {file}: {e.Message}");
        }
    }

    private static string Account(AccountingRow row) =>
        $"{Format.Count(row.Stored)} stored + {Format.Count(row.Dropped)} dropped + {Format.Count(row.OutsideRecorded)} outside the images" + (row.Pending == 0 ? "" : $" + {Format.Count(row.Pending)} pending");

    /// <summary>Who the session's wedge is, once it has begun.</summary>
    private static async Task<WedgeInfo> WaitForWedgeAsync(Screen screen, string session, bool ended, CancellationToken cancel)
    {
        string file = Path.Combine(session, RingFormat.InfoFile);
        for (bool said = false; !File.Exists(file); said = true)
        {
            if (ended)
                throw new CommandException(ExitCode.BadInput, $"{session} holds no session: there is no {file}");
            if (!said)
                screen.Say($"waiting for a wedge to begin its session in {session}: there is no {RingFormat.InfoFile} yet");
            await Task.Delay(TimeSpan.FromMilliseconds(50), cancel);
        }
        return WedgeInfo.Parse(await File.ReadAllTextAsync(file, cancel));
    }
}
