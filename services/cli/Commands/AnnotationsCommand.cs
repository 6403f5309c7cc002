using System.CommandLine;
using System.Globalization;
using Reheat.Cli.Client;
using Reheat.Cli.Terminal;
using Reheat.V1;
using Spectre.Console;

namespace Reheat.Cli.Commands;

/// <summary><c>reheat annotations pull|list|show</c>.</summary>
internal static class AnnotationsCommand
{
    private static readonly Option<int> Version = new("--version") { Description = "A version of the list; the newest if not given.", HelpName = "N" };

    private static readonly Option<bool> Wait = new("--wait")
    {
        Description = "Wait for a list that takes account of all traces committed so far; for CI.",
    };

    private static readonly Option<FileInfo> Output = new("--output", "-o")
    {
        Description = "Write the list to FILE and its provenance to FILE.provenance. Without it the list goes to standard output.",
        HelpName = "FILE",
    };

    private static readonly Option<FileInfo> ByHand = new("--by-hand")
    {
        Description = "Apply a list that people wrote: what it denies is taken out, what it allows is added. `annotations by-hand` keeps one on the server.",
        HelpName = "FILE",
    };

    private static readonly Option<bool> Provenance = new("--provenance") { Description = "Show the provenance instead of the list." };

    public static Command Create()
    {
        var pull = new Command("pull", "Fetch a build's annotation list, for the second pass.") { Output, Version, Wait, ByHand };
        pull.AddBuildSelector();
        pull.SetHandler(PullAsync);
        var list = new Command("list", "The versions of a build's list.") { CommonOptions.Json };
        list.AddBuildSelector();
        list.SetHandler(ListAsync);
        var show = new Command("show", "Print a build's annotation list.") { Version, Provenance };
        show.AddBuildSelector();
        show.SetHandler(ShowAsync);
        return new Command("annotations", "Annotation lists: what the next build annotates.")
        {
            pull, list, show, AnnotationsDiffCommand.Create(), ByHandCommand.Create(),
        };
    }

    private static async Task<int> PullAsync(ParseResult parsed, Screen screen, Connection connection, CancellationToken cancel)
    {
        AnnotationList list = await FetchAsync(parsed, connection, parsed.GetValue(Wait), cancel);
        if (parsed.GetValue(ByHand) is { } rules)
            list.Body = Core.Annotations.AnnotationListWriter.Write(ListFile.ReadByHand(rules.FullName).Apply(ListFile.Parse(list.Body, $"list of build {list.Build}")));
        FileInfo? output = parsed.GetValue(Output);
        if (output is null)
        {
            await Console.Out.WriteAsync(list.Body);
            return ExitCode.Success;
        }
        try
        {
            await WriteWholeAsync(output.FullName, list.Body, cancel);
            await WriteWholeAsync(output.FullName + ".provenance", list.Provenance, cancel);
        }
        catch (IOException e)
        {
            throw new CommandException(ExitCode.Failure, $"cannot write {output.FullName}: {e.Message}");
        }
        screen.Say($"{output.FullName}: version {list.Version} of build {list.Build} ({list.Series}), {Format.Count(list.Annotations)} annotations, {Format.Count(list.Refused)} sites refused");
        return ExitCode.Success;
    }

    private static async Task<int> ListAsync(ParseResult parsed, Screen screen, Connection connection, CancellationToken cancel)
    {
        ListAnnotationsResponse response = await connection.Annotations.ListAsync(CommonOptions.Selector(parsed), cancellationToken: cancel);
        screen.Show(
            response.Lists.Select(l => new
            {
                l.Build,
                l.Series,
                l.Version,
                CreatedAt = l.CreatedAt.ToDateTime(),
                l.Annotations,
                l.Refused,
                BodySha256 = Convert.ToHexStringLower(l.BodySha256.Span),
            }),
            console =>
            {
                Table table = Screen.Table(("build", true), ("version", true), ("made", false), ("annotations", true), ("refused", true), ("SHA-256 of the body", false));
                foreach (AnnotationList l in response.Lists)
                {
                    table.AddRow(
                        l.Build.ToString(CultureInfo.InvariantCulture), l.Version.ToString(CultureInfo.InvariantCulture),
                        l.CreatedAt.ToDateTime().ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture),
                        Format.Count(l.Annotations), Format.Count(l.Refused), Convert.ToHexStringLower(l.BodySha256.Span)[..16]);
                }
                console.Write(table);
            });
        return response.Lists.Count > 0 ? ExitCode.Success : ExitCode.NotFound;
    }

    private static async Task<int> ShowAsync(ParseResult parsed, Screen screen, Connection connection, CancellationToken cancel)
    {
        AnnotationList list = await FetchAsync(parsed, connection, fresh: false, cancel);
        await Console.Out.WriteAsync(parsed.GetValue(Provenance) ? list.Provenance : list.Body);
        return ExitCode.Success;
    }

    private static async Task<AnnotationList> FetchAsync(ParseResult parsed, Connection connection, bool fresh, CancellationToken cancel) =>
        await connection.Annotations.PullAsync(
            new PullRequest { Build = CommonOptions.Selector(parsed), Version = parsed.GetValue(Version), Fresh = fresh }, cancellationToken: cancel);

    private static async Task WriteWholeAsync(string path, string text, CancellationToken cancel)
    {
        // A build that starts meanwhile must find the old list or the new one.
        await File.WriteAllTextAsync(path + ".new", text, cancel);
        File.Move(path + ".new", path, overwrite: true);
    }
}
