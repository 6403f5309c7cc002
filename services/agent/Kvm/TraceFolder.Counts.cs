using System.Numerics;
using System.Runtime.CompilerServices;
using Reheat.Core;
using Reheat.V1;
using Operation = Reheat.Core.Operation;
using RingCounters = Reheat.Core.Ring.RingCounters;

namespace Reheat.Agent.Kvm;

internal sealed partial class TraceFolder
{
    private readonly List<TraceRow> _rows = [];
    private readonly SortedDictionary<DropReason, Drop> _drops = [];
    private readonly List<int> _touched = [];
    private long[] _executions = new long[1024];
    private long[] _elements = new long[1024];

    /// <summary>All that was counted apart so far.</summary>
    public IReadOnlyList<TraceRow> Rows => _rows;

    /// <summary>An instruction's bytes as the trace tells them, or null.</summary>
    public byte[]? CodeAt(GuestAddress ip) => code.Find(ip.Value) is { Told.Length: > 0 } site ? site.Told.Span.ToArray() : null;

    /// <summary>Rows of the block that is being counted.</summary>
    public int RowsInBlock => _touched.Count;

    /// <summary>Ends a block; the next one begins with counts of 0.</summary>
    public TraceBlock Cut(ulong from, ulong to, long now)
    {
        _touched.Sort();
        var rows = new (int Row, long Executions, long Elements)[_touched.Count];
        for (int i = 0; i < rows.Length; i++)
        {
            int row = _touched[i];
            rows[i] = (row, _executions[row], _elements[row]);
            _executions[row] = _elements[row] = 0;
        }
        _touched.Clear();
        Drop[] drops = [.. _drops.Values];
        _drops.Clear();
        return new TraceBlock(from, to, rows, drops, new RingCounters(Traps, 0, Lost, 0, 0), now);
    }

    /// <summary>Counts one access.</summary>
    /// <param name="episode">What it belongs to.</param>
    /// <param name="operation">What the hypervisor saw; may be half of what the instruction intends.</param>
    /// <param name="length">Bytes; 0 if only the instruction knows.</param>
    /// <param name="address">What was accessed.</param>
    /// <param name="target">The name of that.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Access(Episode episode, Operation operation, uint length, ulong address, int target)
    {
        if (episode.TryGetRip(out ulong rip))
        {
            Access(episode, rip, operation, length, address, target);
            return;
        }
        Drop(DropReason.NoInstruction, Begins(episode));
    }

    /// <summary>True for the first access of an execution, which is the trap.</summary>
    private bool Begins(Episode episode)
    {
        if (episode.IsCounted)
            return false;
        episode.Count();
        Traps++;
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Access(Episode episode, ulong rip, Operation operation, uint length, ulong address, int target)
    {
        bool begins = Begins(episode);
        InstructionBytes told = episode.HasInstruction ? episode.Instruction.Bytes : default;
        Accessed?.Invoke(rip, told);
        if (code.Find(rip) is not { } site)
        {
            Outside += begins ? 1UL : 0;
            Drop(DropReason.OutsideImages, begins);
            return;
        }
        if (told.Length > 0 && !told.Is(site.Told))
            site.Ran(told, episode.Instruction.Bitness);
        if (site.IsExchange)
        {
            // Its load and its store are one access.
            if (episode.HasExchanged && episode.Exchanged == address)
                return;
            episode.Exchange(address);
            operation = site.Instruction.Intended(operation);
        }
        uint size = length == 0 ? site.AccessSize : length;
        if (!BitOperations.IsPow2(size) || size > 64)
        {
            Drop(DropReason.UnknownOperation, begins);
            return;
        }
        int row = RowOf(site, operation, (byte)size, target);
        if (_elements[row] == 0)
            _touched.Add(row);
        _executions[row] += begins ? 1 : 0;
        _elements[row]++;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int RowOf(GuestSite site, Operation operation, byte size, int target)
    {
        int kind = (target << 16) | ((int)operation << 8) | size;
        if (site.LastRow.Kind == kind)
            return site.LastRow.Row;
        foreach ((int known, int row) in site.Rows)
        {
            if (known == kind)
            {
                site.LastRow = (known, row);
                return row;
            }
        }
        site.Rows.Add((kind, _rows.Count));
        _rows.Add(new TraceRow(site, operation, size, target));
        if (_rows.Count > _executions.Length)
        {
            Array.Resize(ref _executions, _rows.Count * 2);
            Array.Resize(ref _elements, _rows.Count * 2);
        }
        return _rows.Count - 1;
    }

    private void Drop(DropReason reason, bool begins)
    {
        if (!_drops.TryGetValue(reason, out Drop? drop))
            _drops.Add(reason, drop = new Drop { Reason = reason });
        drop.Records++;
        drop.Traps += begins ? 1UL : 0;
    }
}
