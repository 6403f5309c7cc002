using System.IO.Hashing;

namespace Reheat.Agent.Kvm;

/// <summary>
/// A text to import: a file, or what comes through a pipe. Its beginning is read first, to name it and to look at what is in it; that is then read again
/// with the rest.
/// </summary>
internal sealed class TraceText : IDisposable
{
    /// <summary>Bytes that name a text: what begins alike is the same recording, perhaps longer by now.</summary>
    public const int NamingBytes = 1 << 16;

    private readonly Stream _stream;
    private readonly bool _isPipe;
    private byte[] _beginning = [];
    private int _handed;

    private TraceText(Stream stream, string name, bool isPipe, long? length, DateTime writtenAt)
    {
        _stream = stream;
        _isPipe = isPipe;
        Name = name;
        Length = length;
        WrittenAt = writtenAt;
    }

    /// <summary>For messages.</summary>
    public string Name { get; }

    /// <summary>True if what was read cannot be read again.</summary>
    public bool IsPipe => _isPipe;

    /// <summary>Bytes; null if nobody knows.</summary>
    public long? Length { get; }

    /// <summary>When it was written.</summary>
    public DateTime WrittenAt { get; }

    /// <summary>The first bytes that were read.</summary>
    public ReadOnlySpan<byte> Beginning => _beginning;

    /// <summary>Names what is recorded: the same in every import of the same text.</summary>
    public ulong Epoch => XxHash3.HashToUInt64(Beginning[..Math.Min(Beginning.Length, NamingBytes)]) is var hash and not 0 ? hash : 1;

    /// <summary>Opens a file; <c>-</c> is standard input.</summary>
    /// <exception cref="AgentException">It cannot be read.</exception>
    public static TraceText Open(string path)
    {
        try
        {
            if (path == "-")
                return new TraceText(Console.OpenStandardInput(), "standard input", isPipe: true, null, DateTime.UtcNow);
            var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 0, FileOptions.SequentialScan);
            return file.CanSeek
                ? new TraceText(file, path, isPipe: false, file.Length, File.GetLastWriteTimeUtc(path))
                : new TraceText(file, path, isPipe: true, null, DateTime.UtcNow);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new AgentException($"cannot read {path}: {e.Message}", e) { IsMisdirected = true };
        }
    }

    /// <summary>True if no more of a pipe was wanted while its beginning was read.</summary>
    public bool IsCut { get; private set; }

    /// <summary>True once all of the beginning was read again: from then on, reading may wait for long.</summary>
    public bool IsBeyondBeginning => _handed == _beginning.Length;

    /// <summary>Reads on at the beginning, until it holds <paramref name="bytes"/> bytes or all, or no more is wanted of a pipe: then what it has said is all.</summary>
    /// <returns>False if there is no more.</returns>
    public bool ReadBeginning(int bytes, CancellationToken stop)
    {
        int filled = _beginning.Length;
        if (filled >= bytes)
            return true;
        byte[] more = new byte[bytes];
        _beginning.CopyTo(more, 0);
        for (int n = 1; filled < bytes && n > 0; filled += n)
            n = _isPipe ? ReadPipe(more, filled, stop) : _stream.Read(more.AsSpan(filled));
        _beginning = more[..filled];
        return filled == bytes;
    }

    /// <summary>A pipe may say nothing for ever, and a thread that waits for it cannot be called back: it is left waiting.</summary>
    private int ReadPipe(byte[] buffer, int from, CancellationToken stop)
    {
        Task<int> reading = Task.Run(() => _stream.Read(buffer.AsSpan(from)), CancellationToken.None);
        try
        {
            Task.WaitAny([reading], stop);
        }
        catch (OperationCanceledException)
        {
            IsCut = true;
            return 0;
        }
        return reading.GetAwaiter().GetResult();
    }

    /// <summary>Reads on from the very beginning.</summary>
    /// <returns>Bytes; 0 at the end.</returns>
    public int Read(Span<byte> buffer)
    {
        if (_handed == _beginning.Length)
            return IsCut ? 0 : _stream.Read(buffer);
        int n = Math.Min(buffer.Length, _beginning.Length - _handed);
        _beginning.AsSpan(_handed, n).CopyTo(buffer);
        _handed += n;
        return n;
    }

    public void Dispose() => _stream.Dispose();
}
