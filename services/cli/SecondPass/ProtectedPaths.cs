namespace Reheat.Cli.SecondPass;

/// <summary>
/// Objects of a kernel's tree that are no part of the running kernel's code: user-space, real-mode and boot code that is linked by itself, and
/// the build's own programs. They must stay as they are.
/// </summary>
internal static class ProtectedPaths
{
    private static readonly string[] AtRoot = ["certs", "samples", "scripts", "tools", "usr"];
    private static readonly string[] OfArchitecture = ["boot", "entry/vdso", "purgatory", "realmode", "tools", "um"];

    /// <summary>Whether an object must not be touched; only a kernel's tree has such.</summary>
    public static bool Contains(BuildTree tree, string relative)
    {
        if (!tree.IsKernel)
            return false;
        string[] parts = relative.Split('/', 3);
        return parts[0] == "arch"
            ? parts.Length == 3 && OfArchitecture.Any(directory => parts[2].StartsWith(directory + "/", StringComparison.Ordinal))
            : AtRoot.Contains(parts[0]) || relative.Contains("/libstub/", StringComparison.Ordinal);
    }
}
