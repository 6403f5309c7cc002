using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Reheat.Cli.SecondPass;

/// <summary>Calls that .NET has no name for.</summary>
internal static partial class Posix
{
    private const int ReadWrite = 2;
    private const int Create = 0x40;
    private const int CloseOnExec = 0x80000;
    private const int CurrentDirectory = -100;
    private const int LockExclusive = 2;
    private const int LockNonBlocking = 4;

    private const int OpenFiles = 7; // RLIMIT_NOFILE
    private const int Pipe = 13; // SIGPIPE

    /// <summary>SIGTERM.</summary>
    public const int Terminate = 15;

    /// <summary>
    /// Starts a program as a shell would. The runtime ignores SIGPIPE, and raises the limit of open files to the most that is allowed; a child inherits
    /// both, and with it every recipe of a build: `yes | head -1` would not end.
    /// </summary>
    public static T AsShellsDo<T>(Func<T> start)
    {
        Span<ulong> own = stackalloc ulong[2], parent = stackalloc ulong[2];
        bool isRaised = LimitOf(0, OpenFiles, 0, ref MemoryMarshal.GetReference(own)) == 0
            && LimitOf(ParentProcess(), OpenFiles, 0, ref MemoryMarshal.GetReference(parent)) == 0 && parent[0] < own[0];
        if (isRaised)
        {
            Span<ulong> lower = [parent[0], own[1]];
            _ = SetLimit(OpenFiles, ref MemoryMarshal.GetReference(lower));
        }
        nint handler = Signal(Pipe, 0);
        try
        {
            return start();
        }
        finally
        {
            _ = Signal(Pipe, handler);
            if (isRaised)
                _ = SetLimit(OpenFiles, ref MemoryMarshal.GetReference(own));
        }
    }

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

    /// <summary>A descriptor that no child process inherits; negative if the file cannot be opened.</summary>
    public static int OpenPrivate(string path) => Open(path, ReadWrite | Create | CloseOnExec, 0b110_100_100);

    /// <summary>When a file was changed last, and which it is; null if there is none.</summary>
    public static FileStamp? Stamp(string path)
    {
        // struct statx (linux/stat.h): stx_nlink at 16, stx_ino at 32, stx_mtime at 112.
        Span<byte> status = stackalloc byte[256];
        if (StatX(CurrentDirectory, path, 0, 0x7ff, ref MemoryMarshal.GetReference(status)) != 0)
            return null;
        return new FileStamp(
            BinaryPrimitives.ReadInt64LittleEndian(status[112..]), BinaryPrimitives.ReadUInt32LittleEndian(status[120..]),
            BinaryPrimitives.ReadUInt64LittleEndian(status[32..]), BinaryPrimitives.ReadUInt32LittleEndian(status[16..]));
    }

    /// <summary>Sets when a file was changed last, to the nanosecond.</summary>
    /// <returns>The error; 0 if it is done.</returns>
    public static int SetModified(string path, long seconds, uint nanoseconds)
    {
        const long Omit = (1L << 30) - 2; // UTIME_OMIT: the time of the last access stays
        Span<long> times = [0, Omit, seconds, nanoseconds];
        return SetTimes(CurrentDirectory, path, ref MemoryMarshal.GetReference(times), 0) == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

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

    [LibraryImport("libc", EntryPoint = "getppid")]
    private static partial int ParentProcess();

    [LibraryImport("libc", EntryPoint = "prlimit")]
    private static partial int LimitOf(int process, int resource, nint none, ref ulong limit);

    [LibraryImport("libc", EntryPoint = "setrlimit")]
    private static partial int SetLimit(int resource, ref ulong limit);

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint Signal(int number, nint handler);

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(int directory, string path, int flags, uint mask, ref byte result);

    [LibraryImport("libc", EntryPoint = "utimensat", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SetTimes(int directory, string path, ref long times, int flags);
}

/// <summary>When a file was changed last, and which it is.</summary>
/// <param name="Seconds">Since 1970.</param>
/// <param name="Nanoseconds">Beyond.</param>
/// <param name="Inode">Its number in the file system.</param>
/// <param name="Links">Names that it has.</param>
internal readonly record struct FileStamp(long Seconds, uint Nanoseconds, ulong Inode, uint Links);
