namespace Reheat.Core.Ring.Checking;

/// <summary>What the instruction at an address did.</summary>
internal readonly record struct AccessOfSite(ulong Ip, Operation Operation, byte Size);

internal sealed partial class RingCheck
{
    // Executions that one record may stand for.
    private ulong _mostOfRecord = 1;

    private static readonly RecordFlags KnownFlags = Enum.GetValues<RecordFlags>().Aggregate((all, flag) => all | flag);

    private void Check(in RingRecord record, ulong position, WedgeInfo? info)
    {
        if (record.Sequence != (uint)position)
        {
            findings.Add(DiagnosticId.RingCorruptRecord, Place(position), $"sequence number {record.Sequence:x8}, expected {(uint)position:x8}, the low half of its position");
            _corrupt++;
            return;
        }
        if (record.Outcome == Outcome.Hit)
            _hits += record.Executions;
        else
            _traps += record.Executions;
        if ((record.Flags & RecordFlags.Counted) != 0)
            _mostOfRecord = uint.MaxValue;
        if (!record.Operation.IsKnown())
        {
            findings.Add(DiagnosticId.RingUnknownOperation, Place(position), $"operation {(byte)record.Operation}: expected {(byte)Operation.DeviceRead} to {(byte)Operation.SensitiveInstruction}");
            return;
        }
        CheckFields(record, position, info);
        if (record.BeginsExecution)
            _begun.Add((record.Ip, record.Outcome));
        else if (IsWhole && file.Counters.DroppedRecords == 0 && !_begun.Contains((record.Ip, record.Outcome)))
            findings.Add(DiagnosticId.RingBadContinuation, Place(position), $"continues an execution of 0x{record.Ip:x}, of which no record before is the first");
        var access = new AccessOfSite(record.Ip, record.Operation, record.Size);
        if (record.IsKnown && _accesses.Add(access))
            _newAccesses.Add((access, position));
    }

    private void CheckFields(in RingRecord record, ulong position, WedgeInfo? info)
    {
        if ((record.Flags & (RecordFlags.Counted | RecordFlags.Hit)) == RecordFlags.Counted)
            Bad("counts executions, and is no hit: each trap has a record of its own");
        else if (!record.IsKnown)
            Bad($"size {record.Size}: expected 1, 2, 4, 8, 16, 32 or 64");
        if (record.Elements == 0)
            Bad("0 elements: expected at least 1");
        if ((record.Flags & ~KnownFlags) != 0)
            Bad($"flags {(byte)record.Flags:x2}: expected none but {(byte)KnownFlags:x2}");
        if (file.Version < 2 && (record.Flags & RecordFlags.Hit) != 0)
            Bad("a hit: rings of version 1 have none");
        if (file.Version < 3 && (record.Flags & RecordFlags.Counted) != 0)
            Bad("counts executions: records of rings before version 3 are one each");
        if (record.Reserved != 0)
            Bad($"reserved byte {record.Reserved:x2}: expected 0");
        if (record.Target == RingFormat.TargetByAddress && (record.Flags & RecordFlags.VirtualAccess) != 0)
            Bad("its target goes by a physical address, and its address is virtual: give it a name of the session");
        if (info is null)
            return;
        if (record.Target != RingFormat.TargetByAddress && record.Target >= info.Targets.Count)
            Bad($"target {record.Target}: {RingFormat.InfoFile} has {info.Targets.Count} target lines, the first is 0");
        ulong ip = record.Ip;
        if (info.Inside.Count > 0 && !info.Inside.Any(r => ip >= r.Start && ip < r.End))
            Bad($"0x{ip:x} is in no range that {RingFormat.InfoFile} calls inside: count it in outside_traps instead");

        void Bad(string message) => findings.Add(DiagnosticId.RingBadRecord, Place(position), message);
    }
}
