using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace Reheat.Agent.Spooling;

/// <summary>
/// Where batches end that were sent and not acknowledged yet, on disk beside the segments: the collector's mark may come to stand at any of these ends, also if this
/// process is killed before it hears so. A batch that goes to the spool, where it cannot be cut anew, must not reach over one of them, nor may what was dropped be
/// put together over one. What is written survives the process, as the rings do.
/// </summary>
internal sealed class SentCuts : IDisposable
{
    private const int Entries = 1024;
    private const int EntryBytes = 24;

    private readonly SafeFileHandle _file;
    private readonly List<(ulong Epoch, uint Ring, ulong End)> _ends = [];
    private readonly Lock _lock = new();
    private int _next;

    /// <exception cref="AgentException">The disk has no room for it.</exception>
    public static SentCuts Open(string path)
    {
        try
        {
            return new SentCuts(path);
        }
        catch (IOException e)
        {
            throw new AgentException($"{path} cannot be written: {e.Message} — a spool needs room for it before anything else", e);
        }
    }

    private SentCuts(string path)
    {
        _file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        byte[] bytes = new byte[Entries * EntryBytes];
        int length = RandomAccess.Read(_file, bytes, 0);
        // All of it at once: a disk that is full later must not stop what can be delivered.
        if (length < bytes.Length)
            RandomAccess.Write(_file, bytes.AsSpan(length), length);
        for (int at = 0; at < length; at += EntryBytes)
        {
            ReadOnlySpan<byte> entry = bytes.AsSpan(at, EntryBytes);
            // An end that was half written when the process was killed is one more place to cut at: no harm.
            if (BinaryPrimitives.ReadUInt64LittleEndian(entry) is > 0 and var end)
                _ends.Add((BinaryPrimitives.ReadUInt64LittleEndian(entry[8..]), BinaryPrimitives.ReadUInt32LittleEndian(entry[16..]), end));
        }
        Rewrite();
    }

    /// <summary>A batch is about to be sent.</summary>
    public void Add(ulong epoch, uint ring, ulong end)
    {
        lock (_lock)
        {
            _ends.Add((epoch, ring, end));
            // Ends that are known no more make room for new ones.
            if (_next == Entries)
                Rewrite();
            else
                Write((epoch, ring, end));
        }
    }

    /// <summary>A stream of a session begins at these marks: what was sent before can no longer be counted, and what is counted ends here.</summary>
    public void Begin(ulong epoch, IEnumerable<(uint Ring, ulong Mark)> marks)
    {
        lock (_lock)
        {
            _ends.RemoveAll(e => e.Epoch == epoch);
            _ends.AddRange(marks.Where(m => m.Mark > 0).Select(m => (epoch, m.Ring, m.Mark)));
            Rewrite();
        }
    }

    /// <summary>Up to here all is acknowledged: this is the only end below that a batch may still not reach over.</summary>
    public void Forget(ulong epoch, uint ring, ulong position)
    {
        lock (_lock)
            _ends.RemoveAll(e => e.Epoch == epoch && e.Ring == ring && e.End < position);
    }

    /// <summary>The first end of a sent batch in (<paramref name="from"/>, <paramref name="to"/>), or <paramref name="to"/>.</summary>
    public ulong FirstWithin(ulong epoch, uint ring, ulong from, ulong to)
    {
        lock (_lock)
        {
            foreach ((ulong e, uint r, ulong end) in _ends)
            {
                if (e == epoch && r == ring && end > from && end < to)
                    to = end;
            }
            return to;
        }
    }

    public void Dispose() => _file.Dispose();

    // The file has room for far more than a window of batches, and always the same length.
    private void Rewrite()
    {
        if (_ends.Count > Entries / 2)
            _ends.RemoveRange(0, _ends.Count - (Entries / 2));
        byte[] bytes = new byte[Entries * EntryBytes];
        _next = 0;
        foreach ((ulong Epoch, uint Ring, ulong End) end in _ends)
            Encode(bytes.AsSpan(_next++ * EntryBytes, EntryBytes), end);
        RandomAccess.Write(_file, bytes, 0);
    }

    private void Write((ulong, uint, ulong) end)
    {
        Span<byte> entry = stackalloc byte[EntryBytes];
        Encode(entry, end);
        RandomAccess.Write(_file, entry, (long)_next++ * EntryBytes);
    }

    private static void Encode(Span<byte> entry, (ulong Epoch, uint Ring, ulong End) end)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(entry, end.End);
        BinaryPrimitives.WriteUInt64LittleEndian(entry[8..], end.Epoch);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[16..], end.Ring);
    }
}
