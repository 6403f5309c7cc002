using System.Globalization;

namespace Reheat.Store.Cluster;

/// <summary>
/// The lock of a private cluster's directory: whoever holds it starts the server and stops it. Another process on the same directory would be left
/// without a server when the first one ends. The kernel lets go of it when the process ends, however it ends.
/// </summary>
internal sealed class ClusterLock : IDisposable
{
    public const string FileName = "lock";

    // Apart from the lock, whose file nobody else may open meanwhile.
    public const string PidFileName = "pid";

    private readonly FileStream _file;

    private ClusterLock(FileStream file) => _file = file;

    /// <summary>Until <see cref="Dispose"/>.</summary>
    public bool IsHeld { get; private set; } = true;

    /// <exception cref="PrivateClusterException">Another process has it.</exception>
    public static ClusterLock Take(string directory)
    {
        string path = Path.Combine(directory, FileName);
        FileStream file;
        try
        {
            // None of it is shared: .NET takes a lock on the file, which child processes do not inherit.
            file = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e) when (e.GetType() == typeof(IOException))
        {
            throw new PrivateClusterException($"another `reheat up` (pid {Holder(directory)}) uses {directory} — name another directory with --data, or a database with --database");
        }
        File.WriteAllText(Path.Combine(directory, PidFileName), Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        return new ClusterLock(file);
    }

    public void Dispose()
    {
        IsHeld = false;
        _file.Dispose();
    }

    private static string Holder(string directory)
    {
        try
        {
            return File.ReadAllText(Path.Combine(directory, PidFileName)) is { Length: > 0 } pid ? pid : "unknown";
        }
        catch (IOException)
        {
            return "unknown";
        }
    }
}
