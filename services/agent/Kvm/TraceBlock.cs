using Reheat.V1;
using Operation = Reheat.Core.Operation;
using RingCounters = Reheat.Core.Ring.RingCounters;

namespace Reheat.Agent.Kvm;

/// <summary>What is counted apart: one instruction, what it did, and to what.</summary>
internal sealed record TraceRow(GuestSite Site, Operation Operation, byte Size, int Target);

/// <summary>The counts of a part of a text.</summary>
/// <param name="From">Offset of its first byte.</param>
/// <param name="To">Offset behind its last.</param>
/// <param name="Rows">Index of the row, executions, elements.</param>
/// <param name="Drops">What is in no row.</param>
/// <param name="Counters">Counters at its end, since the text began.</param>
/// <param name="CutAt">When it was cut, a monotonic time stamp.</param>
internal sealed record TraceBlock(
    ulong From, ulong To, IReadOnlyList<(int Row, long Executions, long Elements)> Rows, IReadOnlyList<Drop> Drops, RingCounters Counters, long CutAt);
