using System.Runtime.InteropServices;

namespace Reheat.Assembler;

/// <summary>A file in memory, by descriptor: it needs no name, no directory and no cleaning up, and a child inherits it.</summary>
internal sealed class MemoryFile : IDisposable
{
    private MemoryFile(int descriptor) => Descriptor = descriptor;

    public int Descriptor { get; }

    /// <summary>Its name for a program that wants one.</summary>
    public string Path => $"/proc/self/fd/{Descriptor}";

    /// <summary>An empty one; null if the machine has no memory or descriptor left.</summary>
    public static MemoryFile? Create() => Native.CreateMemoryFile() is >= 0 and int descriptor ? new(descriptor) : null;

    /// <summary>Adds bytes and goes back to the start; false if the machine has no room for them.</summary>
    public bool Write(ReadOnlySpan<byte> bytes) => Native.Write(Descriptor, bytes) && Native.Rewind(Descriptor);

    public byte[] Read()
    {
        Native.Rewind(Descriptor);
        return Native.ReadAll(Descriptor);
    }

    public void Dispose() => Native.Close(Descriptor);
}

internal static unsafe partial class Native
{
    /// <summary>Not closed on exec, on purpose: the assembler reads it.</summary>
    public static int CreateMemoryFile() => memfd_create("reheat-as", 0);

    public static bool Rewind(int file) => lseek(file, 0, 0) == 0;

    public static void Close(int file) => _ = close(file);

    /// <summary>Everything from the position on.</summary>
    public static byte[] ReadAll(int file)
    {
        long position = lseek(file, 0, 1), length = position < 0 ? 0 : Math.Min(lseek(file, 0, 2) - position, Array.MaxLength - 1);
        if (position >= 0)
            _ = lseek(file, position, 0);
        // One byte more, so that a file's end is met without growing.
        byte[] bytes = GC.AllocateUninitializedArray<byte>(length > 0 ? (int)length + 1 : 1 << 16);
        int filled = 0;
        while (true)
        {
            if (filled == bytes.Length)
                Array.Resize(ref bytes, bytes.Length * 2);
            nint count;
            fixed (byte* start = bytes)
                count = read(file, start + filled, bytes.Length - filled);
            if (count < 0 && Marshal.GetLastPInvokeError() == 4)
                continue;
            if (count <= 0)
                return bytes[..filled];
            filled += (int)count;
        }
    }

    public static bool Write(int file, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            nint count;
            fixed (byte* start = bytes)
                count = write(file, start, bytes.Length);
            if (count < 0 && Marshal.GetLastPInvokeError() == 4)
                continue;
            if (count <= 0)
                return false;
            bytes = bytes[(int)count..];
        }
        return true;
    }

    /// <summary>A file's bytes for as long as the process lives; null, with the error, if it cannot be read.</summary>
    public static byte* Map(string path, out long length, out int error)
    {
        length = 0;
        int file = open(path, 0x80000, 0);
        byte* bytes = null;
        error = file < 0 ? Marshal.GetLastPInvokeError() : 0;
        if (file < 0)
            return null;
        length = lseek(file, 0, 2);
        if (length > 0)
            bytes = (byte*)mmap(0, (nint)length, 1, 2, file, 0); // PROT_READ, MAP_PRIVATE
        if (length < 0 || (nint)bytes == -1)
        {
            bytes = null;
            error = Math.Max(Marshal.GetLastPInvokeError(), 1);
        }
        _ = close(file);
        return bytes;
    }

    /// <summary>Appends a line whole, also beside other writers. Returns the error, 0 if it stands there.</summary>
    public static int Append(string path, ReadOnlySpan<byte> line)
    {
        const int WriteOnly = 1, ReadWrite = 2, Create = 0x40, AppendFlag = 0x400, CloseOnExec = 0x80000;
        int file = open(path, ReadWrite | Create | AppendFlag | CloseOnExec, 0x1b6);
        if (file < 0)
            file = open(path, WriteOnly | Create | AppendFlag | CloseOnExec, 0x1b6);
        if (file < 0)
            return Marshal.GetLastPInvokeError();
        _ = flock(file, 2); // LOCK_EX; the close gives it back
        long end = lseek(file, 0, 2);
        byte last;
        // What a writer left that was killed half-way ends here, and takes nothing else with it.
        bool isTorn = end > 0 && pread(file, &last, 1, end - 1) == 1 && last != '\n';
        int error = (!isTorn || Write(file, "\n"u8)) && Write(file, line) ? 0 : Math.Max(Marshal.GetLastPInvokeError(), 1);
        if (error != 0 && end >= 0)
            _ = ftruncate(file, end); // a full disk took some of it
        _ = close(file);
        return error;
    }
}
