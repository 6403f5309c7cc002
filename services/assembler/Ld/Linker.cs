using System.Text;
using Reheat.Core.Annotations;

namespace Reheat.Assembler.Ld;

/// <summary>
/// Stands where builds look for <c>ld</c>: in a final link records get the names that loaders know (<c>.afterburn.TARGET</c>), by one more
/// linker script in front of the command line. Without a list, and in every other link, it is the real linker at once.
/// </summary>
internal static class Linker
{
    /// <summary>Becomes the linker. Returns only if that failed.</summary>
    /// <param name="arguments">Behind the program's name.</param>
    public static int Run(IReadOnlyList<string> arguments)
    {
        string? linker = Find();
        if (linker is null)
        {
            Complain("found no ld on PATH but this stand-in — name the linker in REHEAT_LD");
            return 127;
        }
        int error = Native.Exec(linker, [linker, .. Extra(arguments), .. arguments]);
        Complain($"cannot start {linker}: error {error}");
        return 126;
    }

    private static IEnumerable<string> Extra(IReadOnlyList<string> arguments)
    {
        if (Variable("REHEAT_ANNOTATIONS") is not { Length: > 0 } list)
            return [];
        try
        {
            LinkCommand command = LinkCommand.Parse(arguments);
            if (!command.IsFinal)
                return [];
            string text = Fragment.Write(RecordNames.Targets(File.ReadAllBytes(list)), command.Script);
            // Not disposed: the linker inherits it.
            MemoryFile? script = MemoryFile.Create();
            if (script is not null && script.Write(Encoding.UTF8.GetBytes(text)))
                return ["-T", script.Path];
            Complain("no memory for the linker script: records keep the names that they have in objects");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Complain($"{e.Message}: records keep the names that they have in objects");
        }
        return [];
    }

    private static string? Find()
    {
        if (Variable("REHEAT_LD") is { Length: > 0 } named)
            return named;
        (ulong, ulong) self = Native.Identity("/proc/self/exe");
        foreach (string directory in (Environment.GetEnvironmentVariable("PATH") ?? "/usr/bin:/bin").Split(':'))
        {
            string path = Path.Combine(directory.Length == 0 ? "." : directory, "ld");
            if (!File.Exists(path) || Native.Identity(path) == self || IsStandIn(path))
                continue;
            return path;
        }
        return null;
    }

    // A second installation on PATH would lead from one to the other for ever: each stands beside an `as` of its own.
    private static bool IsStandIn(string path) =>
        Path.GetDirectoryName(File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? path) is { } directory &&
        File.Exists(Path.Combine(directory, "reheat-as"));

    private static string? Variable(string name) => Environment.GetEnvironmentVariable(name);

    private static void Complain(string message) => Console.Error.WriteLine($"reheat ld: {message}");
}
