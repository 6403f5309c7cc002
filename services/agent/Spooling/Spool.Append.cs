using System.Runtime.InteropServices;
using Reheat.Agent.Streaming;
using Reheat.V1;

namespace Reheat.Agent.Spooling;

internal sealed partial class Spool
{
    private const int ReserveBytes = 64 << 10;

    private StreamSites _sites = new();

    private long SegmentBytes => Math.Clamp(_options.MaxBytes / 8, SpoolFormat.LeastSegmentBytes, SpoolFormat.MostSegmentBytes);

    /// <summary>The dictionary of the segment that is appended to; a new segment is begun if there is none, or the newest is full or of another session.</summary>
    /// <param name="hello">Who spools.</param>
    /// <param name="cuts">Where batches that were sent end.</param>
    /// <returns>The dictionary, or null if the disk takes nothing.</returns>
    public StreamSites? Begin(Hello hello, SentCuts cuts)
    {
        lock (_lock)
        {
            if (_file is not null && _segments[^1].Bytes < SegmentBytes && _segments[^1].Hello.Epoch == hello.Epoch)
                return _sites;
            try
            {
                Seal();
                if (!MakeRoom(SegmentBytes, cuts))
                    return null;
                (SpoolSegment segment, _file) = SpoolSegment.Create(_directory, _nextNumber++, hello);
                _segments.Add(segment);
                DirectorySync.Flush(_directory);
            }
            catch (IOException e)
            {
                Log.SpoolFailed(_log, _directory, e.Message);
                return null;
            }
            _sites = new StreamSites();
            return _sites;
        }
    }

    /// <summary>Appends a batch that was cut with the dictionary that <see cref="Begin"/> returned.</summary>
    /// <returns>False if the disk does not take it: nothing of it is there then, and the next segment begins anew.</returns>
    public bool Append(SpooledBatch batch)
    {
        lock (_lock)
        {
            try
            {
                _segments[^1].Append(_file!, batch);
                return true;
            }
            catch (IOException e)
            {
                Log.SpoolFailed(_log, _directory, e.Message);
                _file?.Dispose();
                _file = null;
                if (_segments[^1].Spans.Count == 0)
                    Delete(_segments[^1]);
                return false;
            }
        }
    }

    /// <summary>What was appended is as safe as the options ask for.</summary>
    /// <returns>False if the disk failed.</returns>
    public bool Flush()
    {
        lock (_lock)
        {
            try
            {
                if (_options.Sync == SpoolSync.Always && _file is not null)
                    RandomAccess.FlushToDisk(_file.SafeFileHandle);
                return true;
            }
            catch (IOException e)
            {
                Log.SpoolFailed(_log, _directory, e.Message);
                return false;
            }
        }
    }

    private void Seal()
    {
        if (_file is null)
            return;
        if (_options.Sync != SpoolSync.Never)
            RandomAccess.FlushToDisk(_file.SafeFileHandle);
        _file.Dispose();
        _file = null;
        if (_segments[^1].Spans.Count == 0)
            Delete(_segments[^1]);
    }

    /// <summary>Drops the oldest segments until so many bytes fit.</summary>
    private bool MakeRoom(long bytes, SentCuts cuts)
    {
        while (_segments.Sum(s => s.Bytes) + bytes > _options.MaxBytes)
        {
            if (_segments.FirstOrDefault(s => !_dropped.Contains(s.Number)) is not { } oldest)
                return true; // all that is left says what was dropped
            if (!Drop(oldest, cuts))
                return false;
        }
        return true;
    }

    private void MakeReserve()
    {
        try
        {
            string path = Path.Combine(_directory, SpoolFormat.ReserveFile);
            if (!File.Exists(path) || new FileInfo(path).Length < ReserveBytes)
                File.WriteAllBytes(path, new byte[ReserveBytes]);
        }
        catch (IOException)
        {
            // The disk is full already: what is dropped must find room without it.
        }
    }

    private static partial class DirectorySync
    {
        private const int ReadOnlyDirectory = 0x10000; // O_DIRECTORY

        /// <summary>A new name in a directory is on the disk only when the directory is.</summary>
        public static void Flush(string directory)
        {
            int file = open(directory, ReadOnlyDirectory);
            if (file < 0)
                return;
            _ = fsync(file);
            _ = close(file);
        }

        [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
        private static partial int open(string path, int flags);

        [LibraryImport("libc")]
        private static partial int fsync(int file);

        [LibraryImport("libc")]
        private static partial int close(int file);
    }
}
