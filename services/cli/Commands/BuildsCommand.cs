using System.CommandLine;
using System.Globalization;
using Reheat.Cli.Client;
using Reheat.Cli.Terminal;
using Reheat.Core;
using Reheat.V1;
using Spectre.Console;

namespace Reheat.Cli.Commands;

/// <summary><c>reheat builds add|list|show</c>.</summary>
internal static class BuildsCommand
{
    private static readonly Argument<string[]> Images = new("IMAGE")
    {
        Description = "ELF files with a GNU build-id: vmlinux, modules.",
        Arity = ArgumentArity.OneOrMore,
    };

    private static readonly Option<string> Series = new("--series")
    {
        Description = "The series that the build belongs to: [A-Za-z0-9._-].",
        HelpName = "NAME",
        DefaultValueFactory = _ => BuildUpload.DefaultSeries,
    };

    private static readonly Option<string> ListSeries = new("--series")
    {
        Description = "Only this series.",
        HelpName = "NAME",
        DefaultValueFactory = _ => "",
    };

    private static readonly Option<string> Label = new("--label") { Description = "A text for people.", HelpName = "TEXT", DefaultValueFactory = _ => "" };

    private static readonly Option<string> Report = new("--report")
    {
        Description = "What the second pass that made the build reported (the file named by REHEAT_REPORT): why sites were refused or lost.",
        HelpName = "FILE",
        DefaultValueFactory = _ => "",
    };

    public static Command Create()
    {
        var add = new Command("add", "Register the images of a kernel build, with the annotation records that they hold.") { Images, Series, Label, Report, CommonOptions.Json };
        add.SetHandler(AddAsync);
        var list = new Command("list", "Registered builds, newest first.") { ListSeries, CommonOptions.Json };
        list.SetHandler(ListAsync);
        var show = new Command("show", "One build with its images; the newest unless told otherwise.") { CommonOptions.Json };
        show.AddBuildSelector();
        show.SetHandler(ShowAsync);
        return new Command("builds", "Register and list the images of kernel builds.") { add, list, show };
    }

    private static async Task<int> AddAsync(ParseResult parsed, Screen screen, Connection connection, CancellationToken cancel)
    {
        IReadOnlyList<SecondPassSite> report = [];
        if (parsed.GetValue(Report) is { Length: > 0 } file)
        {
            (report, IReadOnlyList<Diagnostic> diagnostics) = SecondPassReportFile.Read(file);
            foreach (Diagnostic diagnostic in diagnostics)
                screen.Say(diagnostic.ToString());
        }
        AddBuildResponse added = await BuildUpload.RunAsync(
            connection, screen, parsed.GetValue(Images)!, parsed.GetValue(Series)!, parsed.GetValue(Label)!, report, cancel);
        if (!screen.IsJson && added.Existed)
            screen.Say($"build {added.Build.Build_} of series {added.Build.Series} was registered before");
        Show(screen, added.Build);
        return ExitCode.Success;
    }

    private static async Task<int> ListAsync(ParseResult parsed, Screen screen, Connection connection, CancellationToken cancel)
    {
        ListBuildsResponse response = await connection.Builds.ListAsync(
            new ListBuildsRequest { Series = parsed.GetValue(ListSeries) ?? "" }, cancellationToken: cancel);
        screen.Show(response.Builds.Select(View), console =>
        {
            Table table = Screen.Table(("build", true), ("series", false), ("registered", false), ("images", true), ("sites", true), ("first image", false), ("build-id", false), ("label", false));
            foreach (Build build in response.Builds)
            {
                Image? first = build.Images.FirstOrDefault();
                table.AddRow(
                    build.Build_.ToString(CultureInfo.InvariantCulture), Format.Cell(build.Series), Time(build), Format.Count(build.Images.Count),
                    Format.Count(build.Images.Aggregate(0UL, (sum, i) => sum + i.Sites)), Format.Cell(first?.Name ?? ""),
                    first is null ? "" : new BuildId(first.BuildId.Span).Short, Format.Cell(build.Label));
            }
            console.Write(table);
        });
        return ExitCode.Success;
    }

    private static async Task<int> ShowAsync(ParseResult parsed, Screen screen, Connection connection, CancellationToken cancel)
    {
        Show(screen, await connection.Builds.GetAsync(CommonOptions.Selector(parsed), cancellationToken: cancel));
        return ExitCode.Success;
    }

    private static void Show(Screen screen, Build build) => screen.Show(View(build), console =>
    {
        console.WriteLine($"build {build.Build_} of series {build.Series}, registered {Time(build)}{(build.Label.Length > 0 ? $", {build.Label}" : "")}");
        Table table = Screen.Table(("image", false), ("build-id", false), ("file", true), ("stored", true), ("sites", true), ("annotated", false));
        foreach (Image image in build.Images)
        {
            table.AddRow(Format.Cell(image.Name), new BuildId(image.BuildId.Span).ToString(), Format.Bytes(image.FileSize),
                Format.Bytes(image.StoredSize), Format.Count(image.Sites), Format.Cell(Annotated(image)));
        }
        console.Write(table);
    });

    // "e1000 120, lapic 14"; sensitive instructions have no target.
    private static string Annotated(Image image) => string.Join(", ", image.Annotated
        .OrderBy(a => a.Key, StringComparer.Ordinal).Select(a => $"{(a.Key.Length > 0 ? a.Key : "class-1")} {Format.Count(a.Value)}"));

    private static string Time(Build build) => build.RegisteredAt.ToDateTime().ToString("yyyy-MM-dd HH:mm:ss'Z'", CultureInfo.InvariantCulture);

    private static object View(Build build) => new
    {
        Build = build.Build_,
        build.Series,
        build.Label,
        RegisteredAt = build.RegisteredAt.ToDateTime(),
        Images = build.Images.Select(i => new
        {
            i.Name,
            BuildId = new BuildId(i.BuildId.Span).ToString(),
            i.Machine,
            i.FileSize,
            i.StoredSize,
            i.Sites,
            Annotated = new SortedDictionary<string, ulong>(i.Annotated, StringComparer.Ordinal),
        }),
    };
}
