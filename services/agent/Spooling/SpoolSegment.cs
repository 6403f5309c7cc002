using System.Buffers.Binary;
using System.IO.Hashing;
using Google.Protobuf;
using Reheat.V1;

namespace Reheat.Agent.Spooling;

/// <summary>What a segment holds of one ring.</summary>
internal struct SpooledSpan
{
    public ulong From;
    public ulong To;
}

/// <summary>One file of a spool.</summary>
internal sealed class SpoolSegment
{
    private SpoolSegment(string path, long number, Hello hello)
    {
        Path = path;
        Number = number;
        Hello = hello;
    }

    public string Path { get; }

    public long Number { get; }

    public Hello Hello { get; }

    /// <summary>Bytes of the file.</summary>
    public long Bytes { get; private set; }

    /// <summary>By ring.</summary>
    public Dictionary<uint, SpooledSpan> Spans { get; } = [];

    /// <summary>The wedge's counters as they were told last, by ring.</summary>
    public Dictionary<uint, RingCounters> Counters { get; } = [];

    /// <summary>Makes a segment with its header.</summary>
    public static (SpoolSegment Segment, FileStream File) Create(string directory, long number, Hello hello)
    {
        string path = System.IO.Path.Combine(directory, SpoolFormat.NameOf(hello.Epoch, number));
        var file = new FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0);
        try
        {
            var segment = new SpoolSegment(path, number, hello);
            byte[] magic = new byte[sizeof(ulong)];
            BinaryPrimitives.WriteUInt64LittleEndian(magic, SpoolFormat.Magic);
            segment.Write(file, [.. magic, .. Frame(new SpoolHeader { Hello = hello })]);
            return (segment, file);
        }
        catch
        {
            file.Dispose();
            File.Delete(path);
            throw;
        }
    }

    /// <summary>Reads a segment to its end.</summary>
    /// <returns>The segment, its batches, and at which byte its torn tail begins (the file's length if it is whole); null if even the header is torn.</returns>
    public static (SpoolSegment Segment, List<SpooledBatch> Batches, long Torn)? Read(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        if (bytes.Length < sizeof(ulong) || BinaryPrimitives.ReadUInt64LittleEndian(bytes) != SpoolFormat.Magic)
            return null;
        int at = sizeof(ulong);
        if (Next(bytes, ref at, SpoolHeader.Parser) is not { Hello: { } hello })
            return null;
        string name = System.IO.Path.GetFileName(path);
        var segment = new SpoolSegment(path, long.Parse(name.AsSpan(0, name.IndexOf('-', StringComparison.Ordinal)), System.Globalization.CultureInfo.InvariantCulture), hello);
        segment.Bytes = at;
        var batches = new List<SpooledBatch>();
        while (Next(bytes, ref at, SpooledBatch.Parser) is { Batch: { } batch } spooled)
        {
            // A frame of another time is as bad as a torn one: positions of a ring only grow.
            if (segment.Spans.TryGetValue(batch.Ring, out SpooledSpan span) && batch.From < span.To)
                break;
            segment.Note(batch);
            batches.Add(spooled);
            segment.Bytes = at;
        }
        return (segment, batches, segment.Bytes);
    }

    /// <summary>Appends a batch; a write that fails leaves the file as it was.</summary>
    /// <exception cref="IOException">The disk is full, or worse.</exception>
    public void Append(FileStream file, SpooledBatch batch)
    {
        Write(file, Frame(batch));
        Note(batch.Batch);
    }

    private void Note(Batch batch)
    {
        Spans[batch.Ring] = new SpooledSpan { From = Spans.TryGetValue(batch.Ring, out SpooledSpan span) ? span.From : batch.From, To = batch.To };
        if (batch.Counters is { } counters)
            Counters[batch.Ring] = counters;
    }

    private void Write(FileStream file, byte[] bytes)
    {
        try
        {
            RandomAccess.Write(file.SafeFileHandle, bytes, Bytes);
        }
        catch
        {
            RandomAccess.SetLength(file.SafeFileHandle, Bytes);
            throw;
        }
        Bytes += bytes.Length;
    }

    private static byte[] Frame(IMessage message)
    {
        byte[] frame = new byte[SpoolFormat.FrameBytes + message.CalculateSize()];
        message.WriteTo(frame.AsSpan(SpoolFormat.FrameBytes));
        BinaryPrimitives.WriteInt32LittleEndian(frame, frame.Length - SpoolFormat.FrameBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(4), Crc32.HashToUInt32(frame.AsSpan(SpoolFormat.FrameBytes)));
        return frame;
    }

    /// <summary>The next message, or null if there is none that is whole; then <paramref name="at"/> stays.</summary>
    private static T? Next<T>(byte[] bytes, ref int at, MessageParser<T> parser) where T : class, IMessage<T>
    {
        if (bytes.Length - at < SpoolFormat.FrameBytes)
            return null;
        int length = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(at));
        int begin = at + SpoolFormat.FrameBytes;
        if (length is <= 0 or > SpoolFormat.MaxMessageBytes || length > bytes.Length - begin
            || Crc32.HashToUInt32(bytes.AsSpan(begin, length)) != BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + 4)))
        {
            return null;
        }
        try
        {
            T message = parser.ParseFrom(bytes, begin, length);
            at = begin + length;
            return message;
        }
        catch (InvalidProtocolBufferException)
        {
            return null;
        }
    }
}
