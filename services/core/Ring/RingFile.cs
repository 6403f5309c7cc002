using System.IO.MemoryMappedFiles;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Reheat.Core.Ring;

/// <summary>
/// The consumer's side of one ring. Positions in <c>[<see cref="Tail"/>, <see cref="Head"/>)</c> stay readable until
/// <see cref="Release"/> moves the tail. Not thread-safe: one consumer, one thread.
/// </summary>
public sealed unsafe partial class RingFile : IDisposable
{
    // fcntl(2). Not flock(2), which .NET itself puts on every file that it opens.
    private const int SetOpenFileLock = 37;
    private const short WriteLock = 1;
    private const int TryAgain = 11, AccessDenied = 13;

    [StructLayout(LayoutKind.Sequential)]
    private struct FileLock
    {
        public short Type;
        public short Whence;
        public long Start;
        public long Length;
        public int Process;
    }

    // Offsets of struct rh_ring_header.
    private const int VersionOffset = 8;
    private const int HeaderBytesOffset = 12;
    private const int RecordBytesOffset = 16;
    private const int RingOffset = 20;
    private const int CapacityOffset = 24;
    private const int EpochOffset = 32;
    private const int CreatedOffset = 40;
    private const int ProducerPidOffset = 48;
    private const int HeadOffset = 64;
    private const int TrapsOffset = 72;
    private const int DroppedTrapsOffset = 80;
    private const int DroppedRecordsOffset = 88;
    private const int OutsideTrapsOffset = 96;
    private const int SpuriousOffset = 104;
    private const int ClosedOffset = 112;
    private const int TailOffset = 128;
    private const int ConsumerPidOffset = 136;
    private const int HitsOffset = 192;
    private const int DroppedHitsOffset = 200;

    private readonly SafeFileHandle _handle;
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _memory;
    private readonly ulong _mask;
    private bool _attached;

    private RingFile(string path, SafeFileHandle handle, MemoryMappedFile file, MemoryMappedViewAccessor view, byte* memory)
    {
        Path = path;
        _handle = handle;
        _file = file;
        _view = view;
        _memory = memory;
        Version = Read<uint>(VersionOffset);
        Ring = Read<uint>(RingOffset);
        Capacity = Read<ulong>(CapacityOffset);
        Epoch = Read<ulong>(EpochOffset);
        CreatedUnixNs = Read<long>(CreatedOffset);
        ProducerPid = Read<int>(ProducerPidOffset);
        _mask = Capacity - 1;
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The format version that it was made with.</summary>
    public uint Version { get; }

    /// <summary>The ring's number in its session.</summary>
    public uint Ring { get; }

    /// <summary>Records that it holds.</summary>
    public ulong Capacity { get; }

    /// <summary>Random id of the session.</summary>
    public ulong Epoch { get; }

    /// <summary>When the session began, in nanoseconds since 1970.</summary>
    public long CreatedUnixNs { get; }

    /// <summary>The producer's process.</summary>
    public int ProducerPid { get; }

    /// <summary>Position after the newest record.</summary>
    public ulong Head => Volatile.Read(ref *(ulong*)(_memory + HeadOffset));

    /// <summary>The oldest position that is not safe elsewhere yet.</summary>
    public ulong Tail => Volatile.Read(ref *(ulong*)(_memory + TailOffset));

    /// <summary>True once the producer has said that nothing more will come.</summary>
    public bool IsClosed => Volatile.Read(ref *(uint*)(_memory + ClosedOffset)) != 0;

    /// <summary>The producer's counters now.</summary>
    public RingCounters Counters
    {
        get
        {
            // Drops first: what they are part of is stored before them, so that the sum is never smaller than its parts.
            ulong droppedRecords = Counter(DroppedRecordsOffset), droppedTraps = Counter(DroppedTrapsOffset), droppedHits = Counter(DroppedHitsOffset);
            return new RingCounters(
                Counter(TrapsOffset), droppedTraps, droppedRecords, Counter(OutsideTrapsOffset), Counter(SpuriousOffset),
                Counter(HitsOffset), droppedHits); // memory that version 1 leaves 0
        }
    }

    /// <summary>Maps a ring.</summary>
    /// <param name="path">The file.</param>
    /// <param name="fault">What is wrong with it, if the ring cannot be used.</param>
    /// <param name="readOnly">True to look at it only; it can be neither attached to nor released then.</param>
    /// <returns>The ring, or null with what is wrong with the file.</returns>
    /// <exception cref="IOException">The file cannot be opened.</exception>
    public static RingFile? Open(string path, out Diagnostic? fault, bool readOnly = false)
    {
        long length = new FileInfo(path).Length;
        if (length < RingFormat.HeaderBytes)
        {
            fault = new Diagnostic(DiagnosticId.RingNotARing, path, $"{length} bytes: a ring has at least a header of {RingFormat.HeaderBytes}");
            return null;
        }
        SafeFileHandle handle = File.OpenHandle(path, FileMode.Open, readOnly ? FileAccess.Read : FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        MemoryMappedFileAccess access = readOnly ? MemoryMappedFileAccess.Read : MemoryMappedFileAccess.ReadWrite;
        var file = MemoryMappedFile.CreateFromFile(handle, null, 0, access, HandleInheritability.None, leaveOpen: true);
        MemoryMappedViewAccessor view = file.CreateViewAccessor(0, length, access);
        byte* memory = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref memory);
        fault = Check(path, memory, length);
        if (fault is null)
            return new RingFile(path, handle, file, view, memory);
        view.SafeMemoryMappedViewHandle.ReleasePointer();
        view.Dispose();
        file.Dispose();
        handle.Dispose();
        return null;
    }

    /// <summary>
    /// Makes this process the ring's consumer, until it disposes of the ring or dies. Who consumes a ring holds a lock on its file: that
    /// is so in every PID namespace, and no process number that was used again can be taken for a consumer.
    /// </summary>
    /// <returns>0, or the process that consumes it already, by its own count (-1 if it has not said).</returns>
    /// <exception cref="IOException">The file cannot be locked.</exception>
    public int Attach()
    {
        ref int consumer = ref *(int*)(_memory + ConsumerPidOffset);
        var whole = new FileLock { Type = WriteLock };
        if (fcntl(_handle, SetOpenFileLock, ref whole) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            if (error is not (TryAgain or AccessDenied))
                throw new IOException($"{Path}: cannot be locked: {Marshal.GetPInvokeErrorMessage(error)}");
            return Volatile.Read(ref consumer) is not 0 and var holder ? holder : -1;
        }
        Volatile.Write(ref consumer, Environment.ProcessId);
        _attached = true;
        return 0;
    }

    /// <summary>The records from <paramref name="position"/> on, up to <paramref name="end"/> or the end of the file's circle, in place.</summary>
    public ReadOnlySpan<RingRecord> Records(ulong position, ulong end)
    {
        ulong slot = position & _mask;
        ulong count = Math.Min(end - position, Capacity - slot);
        return new ReadOnlySpan<RingRecord>(_memory + RingFormat.HeaderBytes + (slot * RingFormat.RecordBytes), checked((int)Math.Min(count, int.MaxValue)));
    }

    /// <summary>The first byte from <paramref name="from"/> on, below <paramref name="end"/>, that is not 0; -1 if all are.</summary>
    internal int FirstNonZero(int from, int end)
    {
        int offset = new ReadOnlySpan<byte>(_memory + from, end - from).IndexOfAnyExcept((byte)0);
        return offset < 0 ? -1 : from + offset;
    }

    /// <summary>Gives the slots below <paramref name="position"/> back to the producer; their records are safe elsewhere.</summary>
    public void Release(ulong position) => Volatile.Write(ref *(ulong*)(_memory + TailOffset), position);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_attached)
            Interlocked.CompareExchange(ref *(int*)(_memory + ConsumerPidOffset), 0, Environment.ProcessId);
        _attached = false;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
        _handle.Dispose(); // and with it the lock
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int fcntl(SafeFileHandle file, int command, ref FileLock what);

    private ulong Counter(int offset) => Volatile.Read(ref *(ulong*)(_memory + offset));

    private T Read<T>(int offset) where T : unmanaged => MemoryMarshal.Read<T>(new ReadOnlySpan<byte>(_memory + offset, sizeof(T)));

    private static Diagnostic? Check(string path, byte* memory, long length)
    {
        ulong magic = Volatile.Read(ref *(ulong*)memory);
        if (magic != RingFormat.RingMagic)
            return new Diagnostic(DiagnosticId.RingNotARing, path, $"magic is {magic:x16}, a ring has {RingFormat.RingMagic:x16}");
        uint version = *(uint*)(memory + VersionOffset);
        if (version is < RingFormat.OldestVersion or > RingFormat.Version)
        {
            return new Diagnostic(DiagnosticId.RingVersion, path,
                $"ring of format version {version}, this agent reads {RingFormat.OldestVersion} to {RingFormat.Version} — use the agent and the wedge of one release");
        }
        uint headerBytes = *(uint*)(memory + HeaderBytesOffset);
        uint recordBytes = *(uint*)(memory + RecordBytesOffset);
        ulong capacity = *(ulong*)(memory + CapacityOffset);
        if (headerBytes != RingFormat.HeaderBytes || recordBytes != RingFormat.RecordBytes)
            return new Diagnostic(DiagnosticId.RingBadHeader, path, $"header of {headerBytes} and records of {recordBytes} bytes: expected {RingFormat.HeaderBytes} and {RingFormat.RecordBytes}");
        if (capacity == 0 || (capacity & (capacity - 1)) != 0 || capacity > RingFormat.MaxCapacity)
            return new Diagnostic(DiagnosticId.RingBadHeader, path, $"capacity {capacity}: expected a power of two up to {RingFormat.MaxCapacity}");
        if ((ulong)length < RingFormat.HeaderBytes + (capacity * RingFormat.RecordBytes))
            return new Diagnostic(DiagnosticId.RingBadHeader, path, $"{length} bytes: too short for {capacity} records");
        ulong head = *(ulong*)(memory + HeadOffset);
        ulong tail = *(ulong*)(memory + TailOffset);
        if (tail > head || head - tail > capacity)
            return new Diagnostic(DiagnosticId.RingBadHeader, path, $"tail {tail} and head {head}: at most {capacity} records may lie between them");
        return *(ulong*)(memory + EpochOffset) == 0 ? new Diagnostic(DiagnosticId.RingBadHeader, path, "epoch is 0") : null;
    }
}
