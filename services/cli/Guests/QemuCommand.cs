using Reheat.Agent;
using Reheat.Core;

namespace Reheat.Cli.Guests;

/// <summary>A QEMU command line, with the wedge and two monitors added: one for the agent, one for whoever stops the guest.</summary>
internal sealed class QemuCommand
{
    public const string DefaultProgram = "qemu-system-x86_64";

    /// <summary>What the wedge can record of page tables: its option <c>tables</c>.</summary>
    public static readonly string[] PageTableChoices = ["off", "writes", "all"];

    private QemuCommand(string program, IReadOnlyList<string> arguments, string sessionDirectory, bool staysAfterShutdown)
    {
        Program = program;
        Arguments = arguments;
        AgentMonitor = AgentMonitorOf(sessionDirectory);
        ControlMonitor = sessionDirectory + ".control";
        StaysAfterShutdown = staysAfterShutdown;
    }

    public string Program { get; }

    public IReadOnlyList<string> Arguments { get; }

    /// <summary>Socket of the agent's monitor.</summary>
    public string AgentMonitor { get; }

    /// <summary>Socket of the supervisor's monitor.</summary>
    public string ControlMonitor { get; }

    /// <summary>True if the user asked for <c>-no-shutdown</c>: then QEMU is not ended when the guest powers off.</summary>
    public bool StaysAfterShutdown { get; }

    /// <summary>Where the agent's monitor of a session is.</summary>
    public static string AgentMonitorOf(string sessionDirectory) => sessionDirectory + ".qmp";

    /// <summary>Refuses, before anything is done, a command line that cannot work.</summary>
    /// <exception cref="CommandException">The program is missing, or the command line asks for an accelerator that cannot carry the wedge.</exception>
    public static void Check(IReadOnlyList<string> given)
    {
        RefuseKvm(given);
        string program = given.Count > 0 && !given[0].StartsWith('-') ? given[0] : DefaultProgram;
        IEnumerable<string> places = program.Contains('/') ? [program] : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(d => Path.Combine(d, program));
        if (!places.Any(File.Exists))
            throw new CommandException(ExitCode.GuestFailed, $"no program {program} — apt-get install qemu-system-x86, or name the program first after --");
    }

    /// <summary>Adds what Reheat needs to the user's arguments; the first may be the program.</summary>
    /// <exception cref="CommandException">The command line asks for an accelerator that cannot carry the wedge.</exception>
    public static QemuCommand Build(IReadOnlyList<string> given, string plugin, string sessionDirectory, string guest, IReadOnlyList<GuestImage> images, long capacity, string pageTables, string? annotated)
    {
        bool named = given.Count > 0 && !given[0].StartsWith('-');
        string program = named ? given[0] : DefaultProgram;
        List<string> arguments = [.. named ? given.Skip(1) : given];
        RefuseKvm(arguments);

        string wedge = $"{Escape(plugin)},dir={Escape(sessionDirectory)},guest={Escape(guest)}";
        if (capacity > 0)
            wedge += $",capacity={capacity}";
        wedge += $",tables={pageTables}";
        if (annotated is not null)
            wedge += $",annotated={Escape(annotated)}";
        foreach ((ulong start, ulong end) in CodeRanges(images))
            wedge += $",inside=0x{start:x}-0x{end:x}";
        bool stays = arguments.Contains("-no-shutdown") || arguments.Contains("--no-shutdown");
        arguments.AddRange(["-plugin", wedge]);
        arguments.AddRange(["-qmp", $"unix:{Escape(AgentMonitorOf(sessionDirectory))},server=on,wait=off"]);
        arguments.AddRange(["-qmp", $"unix:{Escape(sessionDirectory + ".control")},server=on,wait=off"]);
        if (!stays)
            arguments.Add("-no-shutdown"); // the memory map is read once more before QEMU ends
        return new QemuCommand(program, arguments, sessionDirectory, stays);
    }

    /// <summary>The code of images as guest addresses. Neighbouring sections are joined: the wedge compares addresses with each range.</summary>
    public static IEnumerable<(ulong Start, ulong End)> CodeRanges(IReadOnlyList<GuestImage> images)
    {
        const ulong Gap = 1 << 20;
        foreach (GuestImage image in images)
        {
            ulong start = 0, end = 0;
            foreach ((ImageAddress first, ImageAddress last) in image.Code.OrderBy(c => c.Start))
            {
                ulong from = unchecked(first.Value + (ulong)image.Bias.Value);
                ulong to = unchecked(last.Value + (ulong)image.Bias.Value);
                if (end != 0 && from - end <= Gap)
                {
                    end = Math.Max(end, to);
                    continue;
                }
                if (end != 0)
                    yield return (start, end);
                (start, end) = (from, to);
            }
            if (end != 0)
                yield return (start, end);
        }
    }

    private static void RefuseKvm(IReadOnlyList<string> arguments)
    {
        for (int i = 0; i < arguments.Count; i++)
        {
            string option = arguments[i].TrimStart('-');
            string value = i + 1 < arguments.Count ? arguments[i + 1] : "";
            bool kvm = option == "enable-kvm"
                || (option == "accel" && value.Split(',')[0] is "kvm" or "hvf" or "xen" or "whpx")
                || (option is "machine" or "M" && value.Contains("accel=kvm", StringComparison.Ordinal));
            if (kvm)
            {
                throw new CommandException(ExitCode.Usage,
                    $"{arguments[i]}{(option == "enable-kvm" ? "" : $" {value}")}: the QEMU wedge sees nothing under this accelerator — use -accel tcg");
            }
        }
    }

    // QEMU's option syntax writes a comma in a value as two.
    private static string Escape(string value) => value.Replace(",", ",,", StringComparison.Ordinal);
}
