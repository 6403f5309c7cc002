using Microsoft.Extensions.Logging;
using Reheat.V1;

namespace Reheat.Agent.Spooling;

/// <summary>
/// What a wedge's agent keeps on disk: batches that no collector has acknowledged, in segments that are appended to and deleted, never changed. A segment that must
/// go as the spool is full is replaced, by renaming, by a small one that says what it held. Any thread.
/// </summary>
internal sealed partial class Spool : IDisposable
{
    private readonly SpoolOptions _options;
    private readonly string _directory;
    private readonly FileStream _held;
    private readonly ILogger _log;
    private readonly Lock _lock = new();
    private readonly List<SpoolSegment> _segments = [];
    private readonly Dictionary<(ulong Epoch, uint Ring), ulong> _released = [];
    private FileStream? _file; // of the newest segment, while it is appended to
    private long _nextNumber = 1;

    private Spool(SpoolOptions options, string directory, FileStream held, ILogger log)
    {
        (_options, _directory, _held, _log) = (options, directory, held, log);
    }

    /// <summary>Bytes of all segments.</summary>
    public long Bytes
    {
        get
        {
            lock (_lock)
                return _segments.Sum(s => s.Bytes);
        }
    }

    /// <summary>Sessions of which something is spooled, oldest first.</summary>
    public IReadOnlyList<ulong> Epochs
    {
        get
        {
            lock (_lock)
                return [.. _segments.Select(s => s.Hello.Epoch).Distinct()];
        }
    }

    /// <summary>Opens a wedge's spool: torn tails are cut off, files that are no segments are put aside.</summary>
    /// <exception cref="AgentException">Another process uses it, or the directory cannot be used.</exception>
    public static Spool Open(SpoolOptions options, string wedge, ILogger log)
    {
        string directory = DirectoryOf(options, wedge);
        FileStream held;
        try
        {
            Directory.CreateDirectory(directory);
            held = new FileStream(Path.Combine(directory, SpoolFormat.LockFile), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new AgentException($"spool {directory} cannot be used: {e.Message} — another agent of wedge {wedge} may run; a spool has one", e);
        }
        var spool = new Spool(options, directory, held, log);
        try
        {
            spool.Load();
        }
        catch
        {
            spool.Dispose();
            throw;
        }
        return spool;
    }

    /// <summary>Where a wedge's spool is.</summary>
    public static string DirectoryOf(SpoolOptions options, string wedge) => Path.Combine(options.Directory, Uri.EscapeDataString(wedge));

    /// <summary>The hello of the newest segment of a session.</summary>
    public Hello HelloOf(ulong epoch)
    {
        lock (_lock)
            return _segments.Last(s => s.Hello.Epoch == epoch).Hello;
    }

    /// <summary>All images that segments of a session name.</summary>
    public IReadOnlyList<LoadedImage> ImagesOf(ulong epoch)
    {
        lock (_lock)
            return [.. _segments.Where(s => s.Hello.Epoch == epoch).SelectMany(s => s.Hello.Images).DistinctBy(i => i.BuildId)];
    }

    /// <summary>Rings of a session of which something is spooled.</summary>
    public IReadOnlyList<uint> RingsOf(ulong epoch)
    {
        lock (_lock)
            return [.. _segments.Where(s => s.Hello.Epoch == epoch).SelectMany(s => s.Spans.Keys).Distinct().Order()];
    }

    /// <summary>The positions of a ring that are spooled; (0, 0) if none are. There may be holes between.</summary>
    public (ulong From, ulong To) SpanOf(ulong epoch, uint ring)
    {
        lock (_lock)
        {
            ulong released = _released.GetValueOrDefault((epoch, ring));
            SpooledSpan[] spans = [.. _segments.Where(s => s.Hello.Epoch == epoch && s.Spans.ContainsKey(ring)).Select(s => s.Spans[ring]).Where(s => s.To > released)];
            return spans.Length == 0 ? (0, 0) : (Math.Max(spans[0].From, released), spans[^1].To);
        }
    }

    /// <summary>The wedge's counters of a ring as they were spooled last; all 0 if they were not.</summary>
    public RingCounters CountersOf(ulong epoch, uint ring)
    {
        lock (_lock)
            return _segments.LastOrDefault(s => s.Hello.Epoch == epoch && s.Counters.ContainsKey(ring))?.Counters[ring] ?? new RingCounters();
    }

    /// <summary>Everything of the ring below the position is stored: segments that hold nothing else are deleted.</summary>
    public void Release(ulong epoch, uint ring, ulong position)
    {
        lock (_lock)
        {
            if (position <= _released.GetValueOrDefault((epoch, ring)))
                return;
            _released[(epoch, ring)] = position;
            for (int i = _segments.Count - 1; i >= 0; i--)
            {
                SpoolSegment segment = _segments[i];
                if (segment.Spans.Count > 0 && segment.Spans.All(s => s.Value.To <= _released.GetValueOrDefault((segment.Hello.Epoch, s.Key))))
                    Delete(segment);
            }
        }
    }

    /// <summary>Puts a session's segments aside, for people: no collector will ever take them.</summary>
    public void PutAside(ulong epoch)
    {
        lock (_lock)
        {
            foreach (SpoolSegment segment in _segments.Where(s => s.Hello.Epoch == epoch).ToArray())
            {
                Close(segment);
                File.Move(segment.Path, segment.Path + SpoolFormat.AsideSuffix, overwrite: true);
                _segments.Remove(segment);
            }
        }
    }

    public void Dispose()
    {
        _file?.Dispose();
        _file = null;
        _held.Dispose();
    }

    private void Load()
    {
        foreach (string left in Directory.EnumerateFiles(_directory, "*.tmp"))
            File.Delete(left);
        MakeReserve();
        BatchRecords = ReadLimits(LimitsPath);
        foreach (string path in Directory.EnumerateFiles(_directory, "*" + SpoolFormat.SegmentSuffix).Order(StringComparer.Ordinal))
        {
            long length = new FileInfo(path).Length;
            if (SpoolSegment.Read(path) is not { } read)
            {
                File.Move(path, path + SpoolFormat.AsideSuffix, overwrite: true);
                Log.SpoolUnreadable(_log, path, length);
                continue;
            }
            if (read.Torn < length)
            {
                using FileStream file = new(path, FileMode.Open, FileAccess.Write);
                file.SetLength(read.Torn);
                Log.SpoolTorn(_log, path, read.Torn, length - read.Torn);
            }
            _nextNumber = Math.Max(_nextNumber, read.Segment.Number + 1);
            // A merge of what was dropped that was not finished left the older part too.
            foreach (SpoolSegment older in _segments.Where(s => IsPartOf(s, read.Segment)).ToArray())
                Delete(older);
            if (read.Segment.Spans.Count == 0)
            {
                File.Delete(path);
                continue;
            }
            _segments.Add(read.Segment);
            if (read.Batches.TrueForAll(b => b.Batch.Site.Count == 0 && b.Batch.Drops.Count > 0))
                _dropped.Add(read.Segment.Number);
        }
    }

    // Otherwise no two segments of a session have a position in common.
    private static bool IsPartOf(SpoolSegment older, SpoolSegment newer) =>
        older.Hello.Epoch == newer.Hello.Epoch
        && older.Spans.Any(s => newer.Spans.TryGetValue(s.Key, out SpooledSpan span) && span.From < s.Value.To && s.Value.From < span.To);

    private void Delete(SpoolSegment segment)
    {
        Close(segment);
        File.Delete(segment.Path);
        _segments.Remove(segment);
    }

    private void Close(SpoolSegment segment)
    {
        if (_segments.Count == 0 || segment != _segments[^1])
            return;
        _file?.Dispose();
        _file = null;
    }
}
