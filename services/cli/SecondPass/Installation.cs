namespace Reheat.Cli.SecondPass;

/// <summary>Where the stand-ins for <c>as</c> and <c>ld</c> are: the directory that a build finds them in.</summary>
internal static class Installation
{
    private static readonly string[] Programs = ["as", "ld"];

    /// <summary>
    /// The directory named by <c>REHEAT_LIB</c>; else <c>lib/reheat</c> of the installation that this program belongs to; else, for a program
    /// run from the source tree, that of <c>artifacts/install</c>.
    /// </summary>
    /// <exception cref="CommandException">There is none, or it is incomplete.</exception>
    public static string FindLibrary()
    {
        if (Environment.GetEnvironmentVariable("REHEAT_LIB") is { Length: > 0 } named)
        {
            string directory = Path.GetFullPath(named);
            return Missing(directory) is { } missing
                ? throw new CommandException(ExitCode.NotInstalled, $"REHEAT_LIB is {named}, but {missing} is no program there — name the lib/reheat of an installation")
                : directory;
        }
        string[] candidates = [.. Candidates()];
        return candidates.FirstOrDefault(directory => Missing(directory) is null)
            ?? throw new CommandException(ExitCode.NotInstalled,
                $"the stand-ins for as and ld are missing (looked in {string.Join(", ", candidates)}) — install them with deploy/install.sh --prefix DIR, or name their directory in REHEAT_LIB");
    }

    private static IEnumerable<string> Candidates()
    {
        string here = Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);
        // Installed, the program lives in lib/reheat/cli, and bin/reheat leads there.
        yield return Path.GetFullPath(Path.Combine(here, ".."));
        yield return Path.GetFullPath(Path.Combine(here, "../lib/reheat"));
        // services/cli/bin/Release/net10.0 of a source tree.
        for (DirectoryInfo? directory = new(here); directory is not null; directory = directory.Parent)
        {
            if (File.Exists(Path.Combine(directory.FullName, "Reheat.slnx")))
                yield return Path.Combine(directory.FullName, "artifacts", "install", "lib", "reheat");
        }
    }

    private static string? Missing(string directory) => Programs
        .Select(program => Path.Combine(directory, program))
        .FirstOrDefault(path => !File.Exists(path) || (File.GetUnixFileMode(path) & (UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute)) == 0);
}
