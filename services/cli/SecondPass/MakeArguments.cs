namespace Reheat.Cli.SecondPass;

/// <summary>What a make command line says of directories.</summary>
internal static class MakeArguments
{
    private static readonly string[] Makefiles = ["GNUmakefile", "makefile", "Makefile"];

    /// <summary>The directory with the objects: kbuild's <c>O=</c>, make's <c>-C</c>, or the current one.</summary>
    public static string BuildDirectory(IReadOnlyList<string> arguments)
    {
        string directory = ".";
        string? output = null;
        for (int i = 0; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            if (argument is "-C" or "--directory" && i + 1 < arguments.Count)
                directory = Path.Combine(directory, arguments[++i]);
            else if (argument.StartsWith("--directory=", StringComparison.Ordinal))
                directory = Path.Combine(directory, argument["--directory=".Length..]);
            else if (argument.StartsWith("-C", StringComparison.Ordinal) && argument.Length > 2)
                directory = Path.Combine(directory, argument[2..]);
            else if (argument.StartsWith("O=", StringComparison.Ordinal) && argument.Length > 2)
                output = argument[2..];
        }
        return output is null ? directory : Path.Combine(directory, output);
    }

    /// <summary>
    /// Where make starts: in a build directory that was named, if it has a makefile and the arguments lead nowhere else; otherwise here.
    /// </summary>
    public static string WorkingDirectory(string? named, string root, IReadOnlyList<string> arguments) =>
        named is not null && Makefiles.Any(name => File.Exists(Path.Combine(root, name))) &&
        !arguments.Any(a => a.StartsWith("-C", StringComparison.Ordinal) || a.StartsWith("-f", StringComparison.Ordinal) ||
            a.StartsWith("--directory", StringComparison.Ordinal) || a.StartsWith("--file", StringComparison.Ordinal) ||
            a.StartsWith("--makefile", StringComparison.Ordinal) || a.StartsWith("O=", StringComparison.Ordinal))
            ? root
            : Environment.CurrentDirectory;
}
