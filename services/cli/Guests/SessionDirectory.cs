namespace Reheat.Cli.Guests;

/// <summary>Where session directories are made when none is named.</summary>
internal static class SessionDirectory
{
    /// <summary>A path that does not exist yet, in a directory that does; short enough for the monitors' sockets beside it.</summary>
    public static string New() =>
        Path.Combine(Directory.CreateTempSubdirectory("reheat-").FullName, "session");

    /// <summary>Removes what <see cref="New"/> made, once its traces are delivered or if none were recorded.</summary>
    public static void Delete(string session)
    {
        string parent = Path.GetDirectoryName(session)!;
        if (Directory.Exists(parent))
            Directory.Delete(parent, recursive: true);
    }
}

/// <summary>Removes a session's directory at the end of a start that failed: nothing was recorded in it.</summary>
internal sealed class UnusedSession(string session, bool isOurs) : IDisposable
{
    public void Dispose()
    {
        if (isOurs && !(Directory.Exists(session) && Directory.EnumerateFiles(session, Core.Ring.RingFormat.RingFilePrefix + "*").Any()))
            SessionDirectory.Delete(session);
    }
}
