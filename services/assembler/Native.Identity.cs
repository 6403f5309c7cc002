using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Reheat.Assembler;

internal static unsafe partial class Native
{
    private const ulong ExecutedFileName = 31; // AT_EXECFN
    private const int FileKind = 0xf000, RegularFile = 0x8000, DirectoryKind = 0x4000;

    /// <summary>Device and inode of a file, links followed; zeros if there is none.</summary>
    public static (ulong Device, ulong Inode) Identity(string path)
    {
        // struct statx (linux/stat.h): stx_ino at 32, stx_dev_major and _minor at 136.
        byte* result = stackalloc byte[256];
        if (statx(-100, path, 0, 0x7ff, result) != 0)
            return default;
        var bytes = new ReadOnlySpan<byte>(result, 256);
        return (BinaryPrimitives.ReadUInt64LittleEndian(bytes[136..]), BinaryPrimitives.ReadUInt64LittleEndian(bytes[32..]));
    }

    /// <summary>True for what gives its bytes once: a pipe, a terminal. It must not even be opened by who will not be the only one to read it.</summary>
    public static bool IsReadOnce(string path)
    {
        // stx_mode at 28.
        byte* result = stackalloc byte[256];
        return path != "/dev/null" && statx(-100, path, 0, 0x7ff, result) == 0 &&
            (BinaryPrimitives.ReadUInt16LittleEndian(new ReadOnlySpan<byte>(result + 28, 2)) & FileKind) is not (RegularFile or DirectoryKind);
    }

    /// <summary>The path that this program was started by.</summary>
    public static string ExecutedAs() => Marshal.PtrToStringUTF8(getauxval(ExecutedFileName)) ?? "";

    /// <summary>True for a file that this user may execute.</summary>
    public static bool IsProgram(string path) => access(path, 1) == 0 && !Directory.Exists(path); // X_OK

    /// <summary>The path without symbolic links; null if there is no such file.</summary>
    public static string? RealPath(string path)
    {
        nint resolved = realpath(path, 0);
        string? real = Marshal.PtrToStringUTF8(resolved);
        NativeMemory.Free((void*)resolved);
        return real;
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int directory, string path, int flags, uint mask, byte* result);

    [LibraryImport("libc")]
    private static partial nint getauxval(ulong kind);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int access(string path, int mode);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint realpath(string path, nint buffer);
}
