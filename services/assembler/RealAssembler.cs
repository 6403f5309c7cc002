namespace Reheat.Assembler;

/// <summary>The <c>as</c> that this program stands before.</summary>
internal static class RealAssembler
{
    /// <summary>Its path: REHEAT_AS, else the first <c>as</c> on PATH that is not this program; null if there is none.</summary>
    public static string? Find(Settings settings)
    {
        if (settings.Assembler.Length > 0)
            return settings.Assembler;
        string? self = RealPath("/proc/self/exe");
        foreach (string directory in (Environment.GetEnvironmentVariable("PATH") ?? "/usr/bin:/bin").Split(':'))
        {
            string path = Path.Combine(directory.Length == 0 ? "." : directory, "as");
            if (IsProgram(path) && RealPath(path) is { } real && real != self && !IsSameFile(real, self))
                return path;
        }
        return null;
    }

    private static bool IsProgram(string path) =>
        File.Exists(path) && (File.GetUnixFileMode(path) & (UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute)) != 0;

    private static string? RealPath(string path) => File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(path);

    // A hard link or a copy in another directory is this program as well: it would become itself for ever.
    private static bool IsSameFile(string path, string? self) => self is not null &&
        (Native.Identity(path) == Native.Identity(self) || new FileInfo(path).Length == new FileInfo(self).Length);
}
