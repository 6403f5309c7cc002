using System.Runtime.InteropServices;

namespace Reheat.Core.Ring.Checking;

/// <summary>How much of a file is reserved on disk; .NET does not tell.</summary>
internal static unsafe partial class Reserved
{
    // statx(2)
    private const int CurrentDirectory = -100;
    private const uint SizeAndBlocks = 0x200 | 0x400;
    private const int StatBytes = 256, SizeOffset = 40, BlocksOffset = 48;
    private const long BlockBytes = 512;

    /// <summary>The bytes reserved and the file's length, or null if the kernel does not say.</summary>
    public static (long Reserved, long Length)? Of(string path)
    {
        byte* stat = stackalloc byte[StatBytes];
        return statx(CurrentDirectory, path, 0, SizeAndBlocks, stat) == 0 ? (*(long*)(stat + BlocksOffset) * BlockBytes, *(long*)(stat + SizeOffset)) : null;
    }

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int statx(int directory, string path, int flags, uint mask, byte* stat);
}
