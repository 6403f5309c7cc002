using System.CommandLine;
using System.CommandLine.Invocation;
using Reheat.Cli;
using Reheat.Cli.Commands;

var root = new RootCommand(
    """
    Reheat: profile-guided annotation of a guest kernel's sensitive instructions.

    Exit codes: 0 done · 1 failed · 2 wrong command line · 3 bad input · 4 collector away · 5 not found · 6 nothing observed
    7 coverage below --fail-under · 8 the guest's QEMU failed · 9 traces kept but not delivered
    10 stand-ins not installed · 11 no make · 12 not a build tree · 13 link-time optimised · 14 list of another architecture
    15 nothing annotated · 16 another second pass is at work · 20 lists differ · 21 ring contract broken · 130 interrupted; `reheat make` passes on make's own exit code
    """)
{
    UpCommand.Create(),
    BuildsCommand.Create(),
    GuestCommand.Create(),
    AgentCommand.Create(),
    WedgeCommand.Create(),
    ImportCommand.Create(),
    AnnotationsCommand.Create(),
    CoverageCommand.Create(),
    SitesCommand.Create(),
    MakeCommand.Create(),
};
UsageHelp.Use(root);
ParseResult parsed = root.Parse(args);
if (parsed.Action is ParseErrorAction)
{
    foreach (string error in parsed.Errors.Select(e => e.Message).Distinct())
        await Console.Error.WriteLineAsync($"reheat: {error}");
    await Console.Error.WriteLineAsync($"see {CommonOptions.NameOf(parsed.CommandResult)} --help");
    return ExitCode.Usage;
}
try
{
    // Ctrl-C cancels the command's token; ending in order (a guest's last records, PostgreSQL's shutdown) takes the time that it takes.
    return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = TimeSpan.FromHours(1) });
}
catch (CommandException e)
{
    await Console.Error.WriteLineAsync($"reheat: {e.Message}");
    return e.ExitCode;
}
catch (OperationCanceledException)
{
    return ExitCode.Interrupted;
}
catch (Exception e)
{
    // A broken invariant: all of it, for the report.
    await Console.Error.WriteLineAsync($"reheat: internal error, please report it: {e}");
    return ExitCode.Failure;
}
