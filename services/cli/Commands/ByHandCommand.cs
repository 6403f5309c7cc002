using System.CommandLine;
using Reheat.Cli.Client;
using Reheat.Cli.Terminal;
using Reheat.V1;

namespace Reheat.Cli.Commands;

/// <summary><c>reheat annotations by-hand</c>: what people allow and deny, kept for a series.</summary>
internal static class ByHandCommand
{
    private static readonly Argument<string> File = new("FILE")
    {
        Description = "A list marked by-hand, with lines that begin with allow or deny. Without it the one that is kept is printed.",
        Arity = ArgumentArity.ZeroOrOne,
    };

    private static readonly Option<string> Series = new("--series") { Description = "The series whose lists it applies to.", HelpName = "NAME", Required = true };

    private static readonly Option<bool> Remove = new("--remove") { Description = "Take the one that is kept away." };

    public static Command Create()
    {
        var command = new Command("by-hand", "Keep a list of what people allow and deny in a series: it goes into every list of it from now on.") { File, Series, Remove };
        command.SetHandler(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, Screen screen, Connection connection, CancellationToken cancel)
    {
        string series = parsed.GetValue(Series)!;
        string? file = parsed.GetValue(File);
        if (file is null && !parsed.GetValue(Remove))
        {
            GetByHandResponse kept = await connection.Annotations.GetByHandAsync(new GetByHandRequest { Series = series }, cancellationToken: cancel);
            await Console.Out.WriteAsync(kept.Body);
            return kept.Body.Length > 0 ? ExitCode.Success : ExitCode.NotFound;
        }
        string body = file is null ? "" : ListFile.Text(file);
        if (file is not null)
            _ = ListFile.ReadByHand(file); // its faults with the file's name and lines
        SetByHandResponse set = await connection.Annotations.SetByHandAsync(new SetByHandRequest { Series = series, Body = body }, cancellationToken: cancel);
        screen.Say(body.Length == 0 ? $"series {series}: no list by hand any more" : $"series {series}: {set.Allowed} sites allowed, {set.Denied} denied by hand");
        return ExitCode.Success;
    }
}
