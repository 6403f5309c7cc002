using System.Globalization;

namespace Reheat.Cli.SecondPass;

/// <summary>A process that has a file open.</summary>
internal sealed record LockHolder(int Process, string Program)
{
    public override string ToString() => $"{Program} ({Process.ToString(CultureInfo.InvariantCulture)})";

    /// <summary>Other processes than this one, as far as this user may see.</summary>
    public static IReadOnlyList<LockHolder> Of(string path)
    {
        var holders = new List<LockHolder>();
        foreach (string directory in Directory.Exists("/proc/self") ? Directory.EnumerateDirectories("/proc") : [])
        {
            if (!int.TryParse(Path.GetFileName(directory), NumberStyles.None, CultureInfo.InvariantCulture, out int process) || process == Environment.ProcessId)
                continue;
            try
            {
                if (Directory.EnumerateFileSystemEntries(Path.Combine(directory, "fd")).Any(file => new FileInfo(file).LinkTarget == path))
                    holders.Add(new LockHolder(process, File.ReadAllText(Path.Combine(directory, "comm")).TrimEnd()));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Gone meanwhile, or another user's.
            }
        }
        return holders;
    }
}
