using System.Runtime.InteropServices;

namespace Reheat.Cli.SecondPass;

/// <summary>Calls that .NET has no name for.</summary>
internal static partial class Posix
{
    private const int ReadWrite = 2;
    private const int Create = 0x40;
    private const int LockExclusive = 2;
    private const int LockNonBlocking = 4;

    /// <summary>SIGTERM.</summary>
    public const int Terminate = 15;

    /// <summary>Puts a directory's entries on the disk; a file system that cannot is left as it is.</summary>
    public static void SyncDirectory(string path)
    {
        int directory = Open(path, 0, 0);
        if (directory < 0)
            return;
        _ = FSync(directory);
        _ = Close(directory);
    }

    /// <summary>A descriptor that child processes inherit; negative if the file cannot be opened.</summary>
    public static int OpenInherited(string path) => Open(path, ReadWrite | Create, 0b110_100_100);

    /// <summary>True if the lock was free. It is held until every process that inherited the descriptor has closed it.</summary>
    public static bool TryLock(int descriptor) => FLock(descriptor, LockExclusive | LockNonBlocking) == 0;

    /// <summary>The path without symbolic links, as the kernel names a working directory; null if there is no such file.</summary>
    public static string? RealPath(string path)
    {
        nint resolved = ResolvePath(path, 0);
        try
        {
            return Marshal.PtrToStringUTF8(resolved);
        }
        finally
        {
            Free(resolved);
        }
    }

    [LibraryImport("libc", EntryPoint = "realpath", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint ResolvePath(string path, nint buffer);

    [LibraryImport("libc", EntryPoint = "free")]
    private static partial void Free(nint memory);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "fsync", SetLastError = true)]
    private static partial int FSync(int descriptor);

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int FLock(int descriptor, int operation);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    public static partial int Kill(int process, int signal);
}
