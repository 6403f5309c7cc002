using System.ComponentModel;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;

namespace Reheat.Cli.SecondPass;

/// <summary>Runs make so that compilers and kbuild find the stand-ins, without a change of any command line.</summary>
internal sealed class MakeProcess(BuildTree tree, PassOptions options, string library)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    /// <summary>The list as this pass uses it: a copy, so that all objects are made from one.</summary>
    public string ListPath => tree.State("annotations");

    /// <summary>JSON lines that reheat-as appends to.</summary>
    public string ReportPath => tree.State("run.jsonl");

    // What else decides how an object comes out: for compiler caches, which know nothing of environment variables.
    private string KeyPath => tree.State("key");

    /// <summary>Makes sure that make can be started, before anything is touched.</summary>
    /// <exception cref="CommandException">There is no such program.</exception>
    public void Find()
    {
        bool found = options.Make.Contains('/', StringComparison.Ordinal)
            ? File.Exists(options.Make)
            : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(directory => File.Exists(Path.Combine(directory, options.Make)));
        if (!found)
            throw new CommandException(ExitCode.NoMake, $"there is no {options.Make} — install it, or name another with --make");
    }

    /// <summary>Writes what the build reads.</summary>
    /// <exception cref="CommandException">It cannot be written.</exception>
    public void Prepare(ListSlices slices)
    {
        // Another reheat-as may make other objects of the same input: two installations can share a compiler cache.
        string assembler = Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(library, "as"))));
        Replace(ListPath, options.List.Utf8);
        Replace(KeyPath, Encoding.UTF8.GetBytes($"reheat-as {assembler}\npolicy {slices.Padding}\nclass1 {slices.ClassOne}\n"));
        BuildTree.Write(ReportPath, () => File.WriteAllBytes(ReportPath, []));
    }

    /// <summary>Runs make to its end; an interrupt is handed on, and make ends in order.</summary>
    /// <param name="directory">Where.</param>
    /// <param name="toStandardError">make's output goes there.</param>
    /// <param name="pastCaches">A compiler cache is to compile what it has, and keep that.</param>
    /// <param name="interrupt">Ends make.</param>
    /// <returns>Its exit code, 128 + the number of a signal.</returns>
    /// <exception cref="CommandException">It cannot be started.</exception>
    public async Task<int> RunAsync(string directory, bool toStandardError, bool pastCaches, CancellationToken interrupt)
    {
        using Process process = Start(directory, toStandardError, pastCaches);
        await using CancellationTokenRegistration _ = interrupt.Register(() => Terminate(process));
        await process.WaitForExitAsync(CancellationToken.None);
        return process.ExitCode;
    }

    private Process Start(string directory, bool toStandardError, bool pastCaches)
    {
        // Results are on standard output: with --json make's own output goes beside it.
        var start = new ProcessStartInfo(toStandardError ? "/bin/sh" : options.Make) { WorkingDirectory = directory };
        if (toStandardError)
        {
            start.ArgumentList.Add("-c");
            start.ArgumentList.Add("exec \"$0\" \"$@\" >&2");
            start.ArgumentList.Add(options.Make);
        }
        foreach (string argument in options.Arguments)
            start.ArgumentList.Add(argument);
        foreach ((string name, string? value) in Variables())
        {
            if (value is null)
                start.Environment.Remove(name);
            else
                start.Environment[name] = value;
        }
        if (pastCaches)
            start.Environment["CCACHE_RECACHE"] = "1";
        try
        {
            return Posix.AsShellsDo(() => Process.Start(start)!);
        }
        catch (Win32Exception e)
        {
            throw new CommandException(ExitCode.NoMake, $"cannot start {options.Make}: {e.Message} — name another with --make");
        }
    }

    private IEnumerable<(string Name, string? Value)> Variables()
    {
        yield return ("COMPILER_PATH", Prepend(library, "COMPILER_PATH"));
        yield return ("PATH", Prepend(library, "PATH")); // kbuild calls ld itself
        yield return ("REHEAT_ANNOTATIONS", ListPath);
        yield return ("REHEAT_REPORT", ReportPath);
        yield return ("REHEAT_POLICY", options.Policy);
        yield return ("REHEAT_CLASS1", options.ClassOne ? "1" : null);
        // A compiler cache returns the first pass's object otherwise, as the assembler's input is the same.
        yield return ("CCACHE_EXTRAFILES", Append(Append(Environment.GetEnvironmentVariable("CCACHE_EXTRAFILES"), ListPath), KeyPath));
    }

    private static string Prepend(string directory, string variable) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } old ? $"{directory}:{old}" : directory;

    private static string Append(string? files, string file) => string.IsNullOrEmpty(files) ? file : $"{files}:{file}";

    // A Ctrl-C has reached make already, as the terminal tells the whole group; a signal sent to this process alone has not.
    private static void Terminate(Process process)
    {
        if (!process.WaitForExit(Patience))
            _ = Posix.Kill(process.Id, Posix.Terminate);
    }

    private static void Replace(string path, byte[] content) => BuildTree.Write(path, () =>
    {
        File.WriteAllBytes(path + ".new", content);
        File.Move(path + ".new", path, overwrite: true);
    });
}
