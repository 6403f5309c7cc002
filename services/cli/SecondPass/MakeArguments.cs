namespace Reheat.Cli.SecondPass;

/// <summary>What a make command line says of directories.</summary>
internal static class MakeArguments
{
    private static readonly string[] Makefiles = ["GNUmakefile", "makefile", "Makefile"];

    // Where make starts, and where kbuild puts what it makes.
    private static readonly string[] Leading = ["-C", "-f", "--directory", "--file", "--makefile", "O=", "KBUILD_OUTPUT="];

    /// <summary>
    /// The directory with the objects: make's <c>-C</c> or the current one, and in a tree that kbuild builds what <c>O=</c> or
    /// <c>KBUILD_OUTPUT</c> names. To other makefiles <c>O=2</c> may be any variable.
    /// </summary>
    /// <param name="arguments">Of make.</param>
    /// <param name="environment">The value of KBUILD_OUTPUT there; null without.</param>
    public static string BuildDirectory(IReadOnlyList<string> arguments, string? environment)
    {
        string directory = ".";
        string? output = null, kbuildOutput = environment;
        for (int i = 0; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            if (argument is "-C" or "--directory" && i + 1 < arguments.Count)
                directory = Path.Combine(directory, arguments[++i]);
            else if (argument.StartsWith("--directory=", StringComparison.Ordinal))
                directory = Path.Combine(directory, argument["--directory=".Length..]);
            else if (argument.StartsWith("-C", StringComparison.Ordinal) && argument.Length > 2)
                directory = Path.Combine(directory, argument[2..]);
            else if (argument.StartsWith("O=", StringComparison.Ordinal))
                output = argument[2..];
            else if (argument.StartsWith("KBUILD_OUTPUT=", StringComparison.Ordinal))
                kbuildOutput = argument["KBUILD_OUTPUT=".Length..];
        }
        if (string.IsNullOrEmpty(output))
            output = kbuildOutput;
        return string.IsNullOrEmpty(output) || !File.Exists(Path.Combine(directory, "scripts/Kbuild.include")) ? directory : Path.Combine(directory, output);
    }

    /// <summary>
    /// Where make starts: in a build directory that was named, if it has a makefile and the arguments lead nowhere else; otherwise here.
    /// </summary>
    public static string WorkingDirectory(string? named, string root, IReadOnlyList<string> arguments) =>
        named is not null && Makefiles.Any(name => File.Exists(Path.Combine(root, name))) &&
        !arguments.Any(argument => Leading.Any(option => argument.StartsWith(option, StringComparison.Ordinal)))
            ? root
            : Environment.CurrentDirectory;
}
