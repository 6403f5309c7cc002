using System.Diagnostics;
using System.Text;
using System.Text.Json;
using Reheat.Cli.Terminal;
using Reheat.Core.Annotations;

namespace Reheat.Cli.SecondPass;

/// <summary>
/// A second pass over an existing build: ages exactly the objects whose slice of the list changed, and lets make build them, and what
/// depends on them, with reheat-as in the place of <c>as</c>. Interrupted at any moment, the next one repairs the tree.
/// </summary>
internal sealed class Pass(PassOptions options, Screen screen)
{
    /// <summary>Runs it.</summary>
    /// <exception cref="CommandException">It cannot begin.</exception>
    public async Task<PassResult> RunAsync(CancellationToken cancel)
    {
        long began = Stopwatch.GetTimestamp();
        BuildTree tree = Open();
        string library = Installation.FindLibrary();
        ListSlices slices = ReadList();
        var make = new MakeProcess(tree, options, library);
        make.Find();
        bool hadState = Directory.Exists(tree.StateDirectory);
        if (!hadState && !tree.Objects().Any())
            throw new CommandException(ExitCode.NotABuildTree, $"{tree.Root} has no object files: a second pass needs a first one — build it with make, or name the directory with the objects with --directory");
        tree.CreateStateDirectory();
        using TreeLock taken = await TreeLock.TakeAsync(tree, options, screen.Say, cancel);
        var file = new StateFile(tree);
        TreeState before = file.Read(screen.Say);
        Dictionary<string, ScannedObject> objects = TreeScan.Run(tree, slices, cancel: cancel);
        Check(tree, slices, before, objects);
        PassPlan plan = PassPlan.Make(tree, slices, before, objects);
        double scanned = Stopwatch.GetElapsedTime(began).TotalSeconds;
        screen.Say(plan.Rebuild.Count == 0
            ? $"{Format.Count(objects.Values.Count(o => o.IsOurs))} objects, all as the list wants them: make builds what it finds changed"
            : $"{Format.Count(plan.Rebuild.Count)} of {Format.Count(plan.Total)} objects change with the list: make builds them anew");

        make.Prepare(slices);
        file.Write(plan.Announce(before));
        long started = Stopwatch.GetTimestamp();
        int exitCode;
        HashSet<string> left;
        try
        {
            string directory = MakeArguments.WorkingDirectory(options.Directory, tree.Root, options.Arguments);
            plan.Age(screen.Say);
            exitCode = await make.RunAsync(directory, screen.IsJson, pastCaches: false, cancel);
            if (exitCode == 0 && plan.AgeUntold(slices, before, ReportLine.Read(make.ReportPath, tree.Relative).ContainsKey) is > 0 and int untold)
            {
                screen.Say($"{Format.Count(untold)} annotated objects came from a compiler cache, and nobody knows what was refused in them: they are compiled once more");
                exitCode = await make.RunAsync(directory, screen.IsJson, pastCaches: true, cancel);
            }
        }
        finally
        {
            left = plan.Restore(before);
        }
        double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;

        Dictionary<string, ScannedObject> now = TreeScan.Run(tree, slices, objects, CancellationToken.None);
        Dictionary<string, ReportLine> lines = ReportLine.Read(make.ReportPath, tree.Relative);
        var outcome = new PassOutcome(slices, plan, before, objects, now, lines, left, isWhole: exitCode == 0);
        bool isRecorded = TryWrite(file, outcome.State);
        return new PassResult
        {
            Tree = tree.Root,
            List = slices.List.BodyHash(),
            Padding = slices.Padding,
            ClassOne = slices.ClassOne,
            MakeExitCode = exitCode,
            IsRecorded = isRecorded,
            Objects = now.Values.Count(o => o.IsOurs),
            Rebuilt = now.Values.Count(o => o.IsOurs && !left.Contains(o.Path) && !(objects.TryGetValue(o.Path, out ScannedObject? old) && old.IsUnchanged(o.File))),
            Listed = ListSlices.Sites(slices.List.Units),
            Annotated = outcome.Annotated,
            Drifted = outcome.Drifted,
            ClassOneSites = outcome.ClassOneSites,
            Sites = outcome.Sites,
            Diagnostics = outcome.Diagnostics,
            ScanSeconds = scanned,
            MakeSeconds = seconds,
            Seconds = Stopwatch.GetElapsedTime(began).TotalSeconds,
        };
    }

    /// <summary>The lines of all annotated objects of the tree, kept and rebuilt ones, as reheat-as wrote them.</summary>
    public static void WriteReport(string tree, string path)
    {
        TreeState state = new StateFile(new BuildTree(tree)).Read(_ => { });
        var text = new StringBuilder();
        foreach (ObjectState known in state.Objects.Values)
        {
            if (known.Report is { } report && !known.Dirty)
                text.Append(JsonSerializer.Serialize(report)).Append('\n');
        }
        File.WriteAllText(path + ".new", text.ToString());
        File.Move(path + ".new", path, overwrite: true);
    }

    // make has run, and its exit code is the answer.
    private bool TryWrite(StateFile file, TreeState state)
    {
        try
        {
            file.Write(state);
            return true;
        }
        catch (CommandException e)
        {
            screen.Say($"{e.Message}; what this pass built is built once more by the next");
            return false;
        }
    }

    private BuildTree Open()
    {
        string named = options.Directory ?? MakeArguments.BuildDirectory(options.Arguments, Environment.GetEnvironmentVariable("KBUILD_OUTPUT"));
        return Directory.Exists(named) && Posix.RealPath(named) is { } root
            ? new BuildTree(root)
            : throw new CommandException(ExitCode.NotABuildTree, $"{named} is no directory");
    }

    private ListSlices ReadList()
    {
        AnnotationListResult read = AnnotationListReader.Read(options.List.Utf8, options.List.Name);
        // A line that cannot be read would be taken for a removal.
        return read.IsWhole
            ? new ListSlices(read.List, options.Policy, options.ClassOne)
            : throw new CommandException(ExitCode.BadInput, string.Join(Environment.NewLine, read.Diagnostics.Take(20)));
    }

    private static void Check(BuildTree tree, ListSlices slices, TreeState before, Dictionary<string, ScannedObject> objects)
    {
        if (objects.Count == 0 && before.Objects.Count == 0)
            throw new CommandException(ExitCode.NotABuildTree, $"{tree.Root} has no object files: build it with make first");
        ScannedObject[] lto = [.. objects.Values.Where(o => o.Facts.Kind == ObjectKind.Lto && !o.IsProtected)];
        if (lto.Length > 0)
        {
            throw new CommandException(ExitCode.LinkTimeOptimised,
                $"{lto.Length} objects hold intermediate code for link-time optimisation ({lto.Min(o => o.Path)}): no assembler sees their functions one by one — build without LTO");
        }
        string[] architectures = [.. objects.Values.Where(o => o.IsOurs).Select(o => o.Facts.Architecture).Distinct()];
        if (architectures.Length > 0 && !architectures.Contains(slices.List.Architecture))
        {
            throw new CommandException(ExitCode.OtherArchitecture,
                $"the list is for {slices.List.Architecture}, the objects of {tree.Root} are {string.Join(" and ", architectures)}: fetch the list of this build");
        }
    }
}
