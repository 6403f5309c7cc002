namespace Reheat.Cli.Guests;

/// <summary>Where session directories are made when none is named.</summary>
internal static class SessionDirectory
{
    /// <summary>A path that does not exist yet, in a directory that does; short enough for the monitors' sockets beside it.</summary>
    public static string New() =>
        Path.Combine(Directory.CreateTempSubdirectory("reheat-").FullName, "session");

    /// <summary>Removes what <see cref="New"/> made, once its traces are delivered.</summary>
    public static void Delete(string session)
    {
        Directory.Delete(Path.GetDirectoryName(session)!, recursive: true);
    }
}
