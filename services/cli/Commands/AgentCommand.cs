using System.CommandLine;
using Microsoft.Extensions.Logging;
using Reheat.Agent;
using Reheat.Cli.Client;
using Reheat.Cli.Guests;
using Reheat.Cli.Terminal;
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
        DefaultValueFactory = _ => "",
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
        DefaultValueFactory = _ => "",
    };

    private static readonly Option<bool> Ended = new("--ended")
    {
        Description = "The wedge has ended: deliver what its rings hold, and stop. Needed where its end cannot be seen, as it ran in another PID namespace (a container) and was killed.",
    };

    private static readonly Option<bool> Verbose = new("--verbose", "-v") { Description = "Log what the agent does." };

    public static Command Create()
    {
        var command = new Command("agent", "Stream a wedge's session to the collector until the wedge has ended and all is delivered. May be killed and started again at any time.")
        {
            Session, WedgeName, Images, Monitor, Ended, Verbose, CommonOptions.Json,
        };
        command.SetHandler(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, Screen screen, Connection connection, CancellationToken cancel)
    {
        string session = Path.GetFullPath(parsed.GetValue(Session)!);
        string monitor = parsed.GetValue(Monitor) is { Length: > 0 } named ? named : QemuCommand.AgentMonitorOf(session);
        using ILoggerFactory logs = ConsoleLogging.ForAgent(parsed.GetValue(Verbose));
        var options = new AgentOptions
        {
            Session = session,
            Collector = connection.Collector,
            Wedge = parsed.GetValue(WedgeName) is { Length: > 0 } name ? name : $"{Environment.MachineName}/{Path.GetFileName(session)}",
            Images = GuestImages.Read(parsed.GetValue(Images)!),
            MonitorSocket = monitor,
        };
        await using var agent = new WedgeAgent(options, TimeProvider.System, logs.CreateLogger<WedgeAgent>());
        if (parsed.GetValue(Ended))
            agent.WedgeEnded();
        try
        {
            await agent.RunAsync(cancel);
        }
        catch (AgentException e)
        {
            throw new CommandException(ExitCode.NotDelivered, e.Message);
        }
        SessionCounts counts = SessionCounts.Read(session);
        screen.Show(
            new { Epoch = $"{counts.Epoch:x16}", options.Wedge, TrapsRecorded = counts.Traps, HitsRecorded = counts.Hits, counts.Records, agent.Status.Acknowledged, agent.Status.Sites, agent.Status.Reconnects },
            console => console.WriteLine($"{options.Wedge}: {Format.Count(counts.Traps)} traps and {Format.Count(counts.Hits)} hits recorded, all {Format.Count(counts.Records)} records delivered"));
        return ExitCode.Success;
    }
}
