using System.Buffers.Binary;
using Microsoft.Win32.SafeHandles;

namespace Reheat.Agent.Spooling;

/// <summary>
/// Where batches end that were sent and not acknowledged yet, on disk beside the rings: the collector's mark may come to stand at any of these ends, also if this
/// process is killed before it hears so. A batch that goes to the spool, where it cannot be cut anew, must not reach over one of them. What is written survives
/// the process, as the rings do; neither survives the machine.
/// </summary>
internal sealed class SentCuts : IDisposable
{
    private const int Entries = 4096;
    private const int EntryBytes = 16;

    private readonly SafeFileHandle _file;
    private readonly List<(uint Ring, ulong End)> _ends = [];
    private readonly Lock _lock = new();
    private int _next;

    public SentCuts(string path)
    {
        _file = File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        byte[] bytes = new byte[Entries * EntryBytes];
        int length = RandomAccess.Read(_file, bytes, 0);
        for (int at = 0; at + EntryBytes <= length; at += EntryBytes)
        {
            // An end that was half written when the process was killed is one more place to cut at: no harm.
            if (BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at)) is > 0 and var end)
                _ends.Add((BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + 8)), end));
        }
        _next = Math.Min(length / EntryBytes, Entries - 1) % Entries;
    }

    /// <summary>A batch is about to be sent.</summary>
    public void Add(uint ring, ulong end)
    {
        Span<byte> entry = stackalloc byte[EntryBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(entry, end);
        BinaryPrimitives.WriteUInt32LittleEndian(entry[8..], ring);
        lock (_lock)
        {
            RandomAccess.Write(_file, entry, (long)_next * EntryBytes);
            _next = (_next + 1) % Entries;
            _ends.Add((ring, end));
        }
    }

    /// <summary>A stream begins at the collector's marks: what was sent before can no longer be counted.</summary>
    public void Clear()
    {
        lock (_lock)
        {
            RandomAccess.SetLength(_file, 0);
            _next = 0;
            _ends.Clear();
        }
    }

    /// <summary>Nothing below can be cut at any more.</summary>
    public void Forget(uint ring, ulong below)
    {
        lock (_lock)
            _ends.RemoveAll(e => e.Ring == ring && e.End <= below);
    }

    /// <summary>The first end of a sent batch in (<paramref name="from"/>, <paramref name="to"/>), or <paramref name="to"/>.</summary>
    public ulong FirstWithin(uint ring, ulong from, ulong to)
    {
        lock (_lock)
        {
            foreach ((uint r, ulong end) in _ends)
            {
                if (r == ring && end > from && end < to)
                    to = end;
            }
            return to;
        }
    }

    public void Dispose() => _file.Dispose();
}
