using System.Globalization;

namespace Reheat.Core.Ring;

/// <summary>Process numbers mean something only in their PID namespace.</summary>
public static class PidNamespace
{
    /// <summary>The inode number that names this process's PID namespace; 0 if the kernel does not tell.</summary>
    public static ulong Own { get; } = Read();

    private static ulong Read()
    {
        // "pid:[4026531836]"
        string link = new FileInfo("/proc/self/ns/pid").LinkTarget ?? "";
        return ulong.TryParse(link.AsSpan().TrimStart("pid:[").TrimEnd(']'), NumberStyles.None, CultureInfo.InvariantCulture, out ulong inode) ? inode : 0;
    }
}
