using System.Runtime.InteropServices;

namespace Reheat.Assembler;

/// <summary>What is needed of libc: to become another program, to start one, and files that have no name.</summary>
internal static unsafe partial class Native
{
    private const int SignalPipe = 13, SignalFileSize = 25;

    private static nint _fileSizeHandler;

    /// <summary>A limit on files' sizes holds for files in memory, too: a write fails then, and does not end this program.</summary>
    public static void IgnoreFileSizeSignal() => _fileSizeHandler = signal(SignalFileSize, 1);

    /// <summary>Becomes another program. Returns only if that failed: errno.</summary>
    public static int Exec(string path, IReadOnlyList<string> arguments)
    {
        // .NET ignores SIGPIPE, and what is ignored stays so in the next program.
        _ = signal(SignalPipe, 0);
        _ = signal(SignalFileSize, _fileSizeHandler);
        using var list = new StringList(arguments);
        _ = execv(path, list.Pointers);
        return Marshal.GetLastPInvokeError();
    }

    /// <summary>Starts a program.</summary>
    /// <param name="path">Which.</param>
    /// <param name="arguments">With its name first.</param>
    /// <param name="input">Descriptor that becomes its standard input; -1: ours.</param>
    /// <param name="output">Descriptor that becomes its standard output; -1: ours.</param>
    /// <param name="error">Descriptor that becomes its standard error; -1: ours.</param>
    /// <returns>The process; 0 if it could not be started.</returns>
    public static int Start(string path, IReadOnlyList<string> arguments, int input, int output, int error)
    {
        using var list = new StringList(arguments);
        byte* actions = stackalloc byte[256];
        byte* attributes = stackalloc byte[1024];
        _ = posix_spawn_file_actions_init(actions);
        _ = posix_spawnattr_init(attributes);
        if (input >= 0)
            _ = posix_spawn_file_actions_adddup2(actions, input, 0);
        if (output >= 0)
            _ = posix_spawn_file_actions_adddup2(actions, output, 1);
        if (error >= 0)
            _ = posix_spawn_file_actions_adddup2(actions, error, 2);
        ulong* defaults = stackalloc ulong[16];
        new Span<ulong>(defaults, 16).Clear();
        defaults[0] = (1ul << (SignalPipe - 1)) | (_fileSizeHandler == 0 ? 1ul << (SignalFileSize - 1) : 0);
        _ = posix_spawnattr_setsigdefault(attributes, defaults);
        _ = posix_spawnattr_setflags(attributes, 0x04); // POSIX_SPAWN_SETSIGDEF
        int failure = posix_spawn(out int process, path, actions, attributes, list.Pointers, Environment());
        _ = posix_spawn_file_actions_destroy(actions);
        _ = posix_spawnattr_destroy(attributes);
        return failure == 0 ? process : 0;
    }

    /// <summary>Waits for a program's end.</summary>
    /// <returns>Its exit code; 128 + signal if it was killed; -1 if it never started.</returns>
    public static int Wait(int process)
    {
        if (process == 0)
            return -1;
        int status;
        while (waitpid(process, out status, 0) < 0)
        {
            if (Marshal.GetLastPInvokeError() != 4) // EINTR
                return -1;
        }
        return (status & 0x7f) == 0 ? (status >> 8) & 0xff : 128 + (status & 0x7f);
    }

    /// <summary>Passes a signal on.</summary>
    public static void Signal(int process, int number) => _ = kill(process, number);

    /// <summary>Makes a descriptor another's copy: what exec'd programs find as standard input.</summary>
    public static void Duplicate(int from, int to) => _ = dup2(from, to);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int execv(string path, nint arguments);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int posix_spawn(out int process, string path, byte* actions, byte* attributes, nint arguments, nint environment);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_init(byte* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_destroy(byte* actions);

    [LibraryImport("libc")]
    private static partial int posix_spawn_file_actions_adddup2(byte* actions, int from, int to);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_init(byte* attributes);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_destroy(byte* attributes);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setsigdefault(byte* attributes, ulong* signals);

    [LibraryImport("libc")]
    private static partial int posix_spawnattr_setflags(byte* attributes, short flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int waitpid(int process, out int status, int options);

    [LibraryImport("libc")]
    private static partial nint signal(int number, nint handler);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int dup2(int from, int to);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int memfd_create(string name, uint flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(int file, byte* buffer, nint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(int file, byte* buffer, nint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint pread(int file, byte* buffer, nint count, long offset);

    [LibraryImport("libc")]
    private static partial int ftruncate(int file, long length);

    [LibraryImport("libc", SetLastError = true)]
    private static partial long lseek(int file, long offset, int whence);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags, int mode);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint mmap(nint address, nint length, int protection, int flags, int file, long offset);

    [LibraryImport("libc")]
    private static partial int close(int file);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int flock(int file, int operation);

    [LibraryImport("libc")]
    private static partial int kill(int process, int number);

    /// <summary>A NULL-terminated array of strings.</summary>
    private sealed class StringList : IDisposable
    {
        private readonly nint[] _strings;

        public StringList(IReadOnlyList<string> strings)
        {
            _strings = [.. strings.Select(Copy)];
            Pointers = Marshal.AllocCoTaskMem((strings.Count + 1) * sizeof(nint));
            for (int i = 0; i < _strings.Length; i++)
                Marshal.WriteIntPtr(Pointers, i * sizeof(nint), _strings[i]);
            Marshal.WriteIntPtr(Pointers, _strings.Length * sizeof(nint), 0);
        }

        public nint Pointers { get; }

        public void Dispose()
        {
            Array.ForEach(_strings, Marshal.FreeCoTaskMem);
            Marshal.FreeCoTaskMem(Pointers);
        }

        private static nint Copy(string text)
        {
            byte[] bytes = [.. Words.Encode(text), 0];
            nint copy = Marshal.AllocCoTaskMem(bytes.Length);
            Marshal.Copy(bytes, 0, copy, bytes.Length);
            return copy;
        }
    }
}
