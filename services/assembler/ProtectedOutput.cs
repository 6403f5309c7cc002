using Reheat.Core.Annotations;

namespace Reheat.Assembler;

/// <summary>Outputs that must stay as they are: no files at all, and a kernel's <see cref="ProtectedPaths"/>, which <c>COMPILER_PATH</c> reaches too.</summary>
internal static class ProtectedOutput
{
    /// <summary>Why an object is protected; null if it is not.</summary>
    public static string? Reason(string output)
    {
        string path = Path.GetFullPath(output);
        if (!File.Exists(path) && Directory.Exists(path))
            return "a directory";
        if (path.StartsWith("/dev/", StringComparison.Ordinal) || path.StartsWith("/proc/", StringComparison.Ordinal))
            return "no file that is kept";
        for (string? root = Path.GetDirectoryName(path); root is not null && root != "/"; root = Path.GetDirectoryName(root))
        {
            if (IsKernelTree(root))
                return ProtectedPaths.FolderOf(path[(root.Length + 1)..]);
        }
        return null;
    }

    // What kbuild makes before it compiles anything: in the source tree, or where O= points.
    private static bool IsKernelTree(string folder) =>
        File.Exists(Path.Combine(folder, "include/generated/autoconf.h")) && Directory.Exists(Path.Combine(folder, "scripts"));
}
