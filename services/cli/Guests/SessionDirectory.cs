namespace Reheat.Cli.Guests;

/// <summary>Where session directories are made when none is named.</summary>
internal static class SessionDirectory
{
    private static readonly string[] MonitorSuffixes = [".qmp", ".control"];

    /// <summary>A path that does not exist yet, in a directory that does; short enough for the monitors' sockets beside it.</summary>
    public static string New()
    {
        string parent = Path.Combine(Path.GetTempPath(), "reheat-sessions");
        Directory.CreateDirectory(parent, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return Path.Combine(parent, Guid.NewGuid().ToString("N")[..12]);
    }

    /// <summary>Removes a session whose traces are delivered.</summary>
    public static void Delete(string session)
    {
        if (Directory.Exists(session))
            Directory.Delete(session, recursive: true);
        foreach (string suffix in MonitorSuffixes)
            File.Delete(session + suffix);
    }
}
