using System.Runtime.CompilerServices;
using Reheat.Agent.Streaming;
using Reheat.Core;
using Reheat.Core.Ring;
using Reheat.V1;
using RingCounters = Reheat.Core.Ring.RingCounters;

namespace Reheat.Agent.Kvm;

/// <summary>
/// A text as a source of one ring, whose positions are offsets in the text. What stands below the collector's mark is read again, as accesses of which
/// it tells the beginning may end behind the mark, and not counted again.
/// </summary>
internal sealed class TextSource(TraceText text, TraceFolder folder, GuestTargets targets, WedgeInfo info, int maxRows, AgentStatus status, TimeProvider clock) : ITraceSource, ITraceRing, IDisposable
{
    // A block cannot be cut smaller to find what of it a collector does not take.
    private const int MaxTries = 100;

    // Folded, so small: what is read ahead while the collector commits.
    private const int MaxBlocks = 64;
    private const ulong BlockBytes = 16 << 20;
    private const int BufferBytes = 1 << 20;

    // A text that is written while it is read.
    private static readonly TimeSpan LongestBlock = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly Queue<TraceBlock> _blocks = new();
    private readonly SemaphoreSlim _room = new(MaxBlocks);
    private readonly CancellationTokenSource _disposing = new();
    private bool _stopped, _waiting;
    private Thread? _reader;
    private volatile Exception? _fault;
    private volatile bool _ended;
    private bool _overlong;
    private (ulong From, int Times) _cut;
    private ulong _position, _from, _mark, _head, _tail;
    private long _begunAt;

    public WedgeInfo Info => info;

    public ulong Epoch { get; } = text.Epoch;

    public long EpochUnixNs { get; } = Math.Max(1, (text.WrittenAt - DateTime.UnixEpoch).Ticks * 100);

    public IReadOnlyList<ITraceRing> Rings => [this];

    public bool HasEnded => _ended;

    public uint Ring => 0;

    public string Place => text.Name;

    public ulong Head => Volatile.Read(ref _head);

    public ulong Tail => _tail;

    /// <summary>Bytes read so far.</summary>
    public ulong Position => Volatile.Read(ref _position);

    /// <summary>Where the collector's mark stood when the import began: 0 if it had nothing of this text.</summary>
    public ulong BeganAt => _mark;

    public RingCounters Counters { get; private set; }

    public void Begin(ulong mark)
    {
        if (_reader is null)
        {
            _mark = _tail = mark;
            Volatile.Write(ref _head, mark);
            _reader = new Thread(Read) { IsBackground = true, Name = "trace text" };
            _reader.Start();
            return;
        }
        if (mark < _tail || mark > Head)
            throw new AgentException($"{text.Name}: the collector's mark was {_tail} and is {mark} now — was its database restored or replaced? Import the text again: it goes on at the mark");
        Release(mark);
    }

    public void Release(ulong position)
    {
        int released = 0;
        lock (_lock)
        {
            while (_blocks.TryPeek(out TraceBlock? block) && block.To <= position)
            {
                _blocks.Dequeue();
                released++;
            }
            _tail = position;
        }
        if (released > 0)
            _room.Release(released);
    }

    public void Look(ulong head)
    {
    }

    public TimeSpan AgeOf(ulong position)
    {
        lock (_lock)
            return _blocks.FirstOrDefault(b => b.To > position) is { } block ? clock.GetElapsedTime(block.CutAt) : TimeSpan.Zero;
    }

    public ulong EndOfBatch(ulong from, ulong head, ulong most)
    {
        lock (_lock)
            return _blocks.First(b => b.From == from).To;
    }

    public bool FindRings()
    {
        if (_fault is { } fault)
            throw new AgentException($"{text.Name}: {fault.Message}", fault);
        lock (_lock)
        {
            // What has come is not left lying while nothing more comes.
            if (!_ended && _position > _from && clock.GetElapsedTime(_begunAt) > LongestBlock && _from >= _mark && _room.Wait(0))
                CutBlock();
        }
        return false;
    }

    public Task SampledAsync(CancellationToken cancel) => Task.CompletedTask;

    public void Forget(long timestamp)
    {
    }

    public byte[]? CodeAt(GuestAddress ip)
    {
        lock (_lock)
            return folder.CodeAt(ip);
    }

    public Batch Cut(ITraceRing ring, ulong from, ulong to, StreamSites sites)
    {
        var batch = new Batch { Ring = Ring, From = from, To = to };
        _cut = from == to ? _cut : _cut.From == from ? (from, _cut.Times + 1) : (from, 1);
        if (_cut.Times > MaxTries)
            throw new AgentException($"{text.Name}: the collector did not take the bytes from {from:N0} to {to:N0} in {MaxTries} tries; its log says why");
        lock (_lock)
        {
            TraceBlock? block = from == to ? null : _blocks.First(b => b.From == from);
            RingCounters counters = block?.Counters ?? Counters;
            batch.Counters = new V1.RingCounters { Traps = counters.Traps, DroppedRecords = counters.DroppedRecords };
            bool allOne = true, allSame = true;
            foreach ((int index, long executions, long elements) in block?.Rows ?? [])
            {
                TraceRow row = folder.Rows[index];
                batch.Site.Add((uint)sites.IndexOf(row.Site.Ip, new SiteAccess(row.Operation, row.Size, targets.Name(row.Target), Core.Outcome.Trap), row.Site.Image, row.Site.Address));
                batch.Traps.Add((ulong)executions);
                batch.Elements.Add((ulong)elements);
                allOne &= executions == 1;
                allSame &= executions == elements;
            }
            if (allOne)
                batch.Traps.Clear();
            if (allSame)
                batch.Elements.Clear();
            batch.Drops.AddRange(block?.Drops ?? []);
        }
        batch.NewSites = sites.TakeNew();
        status.SetSites(sites.Addresses);
        return batch;
    }

    public Batch GiveUp(ITraceRing ring, ulong from, ulong to)
    {
        lock (_lock)
        {
            TraceBlock block = _blocks.First(b => b.From == from);
            ulong traps = (ulong)block.Rows.Sum(r => r.Executions) + block.Drops.Aggregate(0UL, (sum, d) => sum + d.Traps);
            return new Batch { Ring = Ring, From = from, To = to, Drops = { new Drop { Reason = DropReason.Refused, Records = (ulong)block.Rows.Sum(r => r.Elements), Traps = traps } } };
        }
    }

    /// <summary>Reads no further: what was read so far is all, and is taken to its last whole line. From any thread; a reader that waits for more of a pipe is left waiting.</summary>
    public void Stop()
    {
        lock (_lock)
        {
            _stopped = true;
            if (!_waiting)
                return; // it ends by itself, behind what it has read
            if (_position > _from && _from >= _mark)
                CutBlock();
            _ended = true;
        }
    }

    /// <summary>Reads on. 0: there is no more, or none is wanted any more.</summary>
    private int ReadOn(Span<byte> buffer)
    {
        lock (_lock)
        {
            if (_stopped && text.IsBeyondBeginning)
                return 0;
            _waiting = text.IsBeyondBeginning;
        }
        int n = text.Read(buffer);
        lock (_lock)
        {
            bool left = _waiting && _stopped;
            _waiting = false;
            return left ? 0 : n;
        }
    }

    private void Read()
    {
        try
        {
            byte[] buffer = new byte[BufferBytes];
            int filled = 0;
            for (int n; (n = ReadOn(buffer.AsSpan(filled))) > 0;)
            {
                filled += n;
                int taken = TakeLines(buffer.AsSpan(0, filled));
                buffer.AsSpan(taken, filled - taken).CopyTo(buffer);
                filled -= taken;
            }
            lock (_lock)
            {
                if (filled > 0 && !_stopped)
                    TakeLine(buffer.AsSpan(0, filled), filled);
                if (_position < _mark && !_stopped)
                    throw new IOException($"the text ends at {_position:N0} bytes, but {_mark:N0} were imported before: it is not the text that it was");
            }
            if (_position > Math.Max(_from, _mark))
            {
                _room.Wait(_disposing.Token);
                lock (_lock)
                {
                    if (_position > _from)
                        CutBlock();
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            _fault = e;
        }
        catch (OperationCanceledException)
        {
            // Nobody waits for it any more.
        }
        finally
        {
            _ended = true;
        }
    }

    private int TakeLines(Span<byte> buffer)
    {
        int from = 0;
        while (true)
        {
            bool full;
            lock (_lock)
            {
                full = TakeBlock(buffer, ref from);
            }
            if (!full)
                break;
            _room.Wait(_disposing.Token);
            lock (_lock)
            {
                if (_position > _from)
                    CutBlock();
                else
                    _room.Release();
            }
        }
        if (from == 0 && buffer.Length == BufferBytes)
        {
            // No line is that long: its beginning is shown, the rest passed over.
            from = buffer.Length;
            lock (_lock)
            {
                if (!_overlong)
                    folder.TakeOverlong(buffer);
                _overlong = true;
                _position += (ulong)from;
            }
        }
        return from;
    }

    /// <summary>Takes lines until the block is full (true) or no whole line is left (false).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private bool TakeBlock(Span<byte> buffer, ref int from)
    {
        while (!_disposing.IsCancellationRequested)
        {
            int length = buffer[from..].IndexOf((byte)'\n');
            if (length < 0)
                return false;
            if (_overlong)
                (_overlong, _position) = (false, _position + (ulong)length + 1);
            else
                TakeLine(buffer.Slice(from, length), length + 1);
            from += length + 1;
            if (_position <= _mark)
                PassOver();
            else if (_position - _from >= BlockBytes || folder.RowsInBlock >= maxRows)
                return true;
        }
        return false;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void TakeLine(ReadOnlySpan<byte> line, int bytes)
    {
        if (_position == _from)
            _begunAt = clock.GetTimestamp();
        _position += (ulong)bytes;
        folder.Take(line is [.., (byte)'\r'] ? line[..^1] : line);
    }

    /// <summary>What is counted already.</summary>
    private void PassOver()
    {
        if (_position < _mark && _position - _from < BlockBytes)
            return;
        folder.Cut(_from, _position, 0);
        _from = _position;
    }

    private void CutBlock()
    {
        if (_from < _mark)
            throw new IOException($"no line ends at byte {_mark:N0}, up to which it was imported before: it is not the text that it was");
        TraceBlock block = folder.Cut(_from, _position, clock.GetTimestamp());
        Counters = block.Counters;
        _blocks.Enqueue(block);
        _from = _position;
        Volatile.Write(ref _head, _position);
    }

    public void Dispose()
    {
        lock (_lock)
            _stopped = true;
        _disposing.Cancel();
    }
}
