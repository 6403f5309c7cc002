using System.CommandLine;
using Grpc.Core;
using Reheat.Cli.Client;
using Reheat.Cli.SecondPass;
using Reheat.Cli.Terminal;
using Reheat.V1;

namespace Reheat.Cli.Commands;

/// <summary><c>reheat make</c>.</summary>
internal static class MakeCommand
{
    private static readonly Option<FileInfo> Annotations = new("--annotations", "-a")
    {
        Description = "The annotation list. Without it the list comes from the collector: name a build or a series.",
        HelpName = "FILE",
    };

    private static readonly Option<string> Policy = new("--policy")
    {
        Description = "Room at a site: thunk (5 bytes at least), inline (the original Afterburner's; also: afterburn) or selftest (each site jumps to a thunk that counts and does the access). Default: as the list says.",
        HelpName = "thunk|inline|selftest",
    };

    private static readonly Option<bool> ClassOne = new("--class1") { Description = "Annotate sensitive instructions (cli, popf, mov %cr3 …) as well." };

    private static readonly Option<string> Directory = new("--directory")
    {
        Description = "The directory with the objects. make starts there if it has a makefile. Default: what ARGS name with -C, or in a kernel tree with O= or KBUILD_OUTPUT; else the current one.",
        HelpName = "DIR",
    };

    private static readonly Option<FileInfo> Report = new("--report")
    {
        Description = "Write what became of each annotated object to FILE, in the place of what is there: JSON lines, one an object. After a make that failed: of those that are known to be whole.",
        HelpName = "FILE",
    };

    private static readonly Option<string> Make = new("--make") { Description = "The make program.", HelpName = "PROGRAM", DefaultValueFactory = _ => "make" };

    private static readonly Option<int> Wait = new("--wait")
    {
        Description = "How long to wait for another second pass, or a build that one left behind, in the same directory.",
        HelpName = "SECONDS",
        DefaultValueFactory = _ => 600,
    };

    private static readonly Argument<string[]> Arguments = new("ARGS") { Description = "After --: make's arguments.", Arity = ArgumentArity.ZeroOrMore };

    public static Command Create()
    {
        Policy.AcceptOnlyFromAmong("thunk", "inline", "afterburn", "selftest");
        var command = new Command("make",
            """
            The second pass: `make ARGS` over an existing build, with the list's sites annotated.

            Exactly the objects whose part of the list changed are built anew, by the build's own rules; the first build need not know of
            Reheat. A run that was interrupted is repaired by the next. gcc needs nothing; clang needs -fno-integrated-as.

            Exit codes besides make's own: 3 the list cannot be read · 10 stand-ins not installed · 11 no make · 12 not a build tree
            13 link-time optimised · 14 list of another architecture · 15 not one site annotated · 16 another pass is at work · 130 interrupted.
            Sites that are lost or refused leave it at 0: the report, also as --json, counts them by reason.
            """)
        {
            Annotations, Policy, ClassOne, Directory, Report, Make, Wait, CommonOptions.Json, Arguments,
        };
        command.AddBuildSelector();
        command.Validators.Add(result =>
        {
            bool selects = result.GetResult(CommonOptions.Series) is { Implicit: false } || result.GetResult(CommonOptions.Build) is not null ||
                result.GetResult(CommonOptions.BuildId) is { Implicit: false };
            if (result.GetResult(Annotations) is null && !selects)
                result.AddError("no list: give --annotations FILE, or --series, --build or --build-id to fetch it from the collector");
            else if (result.GetResult(Annotations) is not null && selects)
                result.AddError("--annotations and a build of the collector are two lists: give one");
        });
        command.SetHandler(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, Screen screen, Connection connection, CancellationToken cancel)
    {
        if (parsed.GetValue(Report) is { } early)
            CheckWritable(early);
        var options = new PassOptions(parsed.GetValue(Arguments)!)
        {
            Directory = parsed.GetValue(Directory),
            Policy = parsed.GetValue(Policy) is "afterburn" ? "inline" : parsed.GetValue(Policy),
            ClassOne = parsed.GetValue(ClassOne),
            Make = parsed.GetValue(Make)!,
            Patience = TimeSpan.FromSeconds(parsed.GetValue(Wait)),
            List = parsed.GetValue(Annotations) is { } file ? Read(file) : await PullAsync(parsed, connection, cancel),
        };
        PassResult result = await new Pass(options, screen).RunAsync(cancel);
        PassReport.Show(screen, result);
        if (parsed.GetValue(Report) is { } report)
            WriteReport(result, report);
        if (cancel.IsCancellationRequested)
        {
            screen.Say("interrupted: the tree is consistent, and the next pass goes on from here; the report tells what is known of the objects as they are now");
            return ExitCode.Interrupted;
        }
        if (result.MakeExitCode != 0)
        {
            screen.Say($"{options.Make} ended with exit code {result.MakeExitCode}; the tree is consistent, and the next pass goes on from here");
            return result.MakeExitCode;
        }
        if (!result.IsRecorded)
            return ExitCode.Failure;
        if (result is { Listed: > 0, Annotated: 0 })
        {
            bool isUnassembled = result.Sites.All(s => s.Reason == Unreported.NotAssembled);
            screen.Say($"not one of {Format.Count(result.Listed)} listed sites was annotated: {(isUnassembled ? "no compiler ran the assembler — give clang -fno-integrated-as" : "is the list that of this build?")}");
            return ExitCode.NothingAnnotated;
        }
        return ExitCode.Success;
    }

    private static (byte[], string) Read(FileInfo file)
    {
        try
        {
            return (File.ReadAllBytes(file.FullName), file.ToString());
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.BadInput, $"cannot read the list {file}: {Client.FileFault.Of(e)}");
        }
    }

    private static async Task<(byte[], string)> PullAsync(ParseResult parsed, Connection connection, CancellationToken cancel)
    {
        AnnotationList list = await connection.Annotations.PullAsync(
            new PullRequest { Build = CommonOptions.Selector(parsed) }, new CallOptions(cancellationToken: cancel));
        return (System.Text.Encoding.UTF8.GetBytes(list.Body), $"list {list.Version} of build {list.Build}");
    }

    // Before a build of minutes, not after it.
    private static void CheckWritable(FileInfo file)
    {
        try
        {
            File.Open(file.FullName + ".new", FileMode.OpenOrCreate, FileAccess.Write).Dispose();
            File.Delete(file.FullName + ".new");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.Usage, $"--report {file}: {Client.FileFault.Of(e)}");
        }
    }

    private static void WriteReport(PassResult result, FileInfo file)
    {
        try
        {
            Pass.WriteReport(result.Tree, file.FullName);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.Failure, $"cannot write {file}: {e.Message}");
        }
    }
}
