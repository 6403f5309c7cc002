using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Reheat.Assembler;

internal static unsafe partial class Native
{
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int directory, string path, int flags, uint mask, byte* result);

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
}
