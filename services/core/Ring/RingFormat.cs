using System.Runtime.InteropServices;

namespace Reheat.Core.Ring;

/// <summary>The constants of <c>services/wedges/include/reheat_ring.h</c>, which holds the contract.</summary>
public static class RingFormat
{
    /// <summary>"HEATRING" read as a little-endian number.</summary>
    public const ulong RingMagic = 0x474e_4952_5441_4548;

    /// <summary>"HEATCODE" read as a little-endian number.</summary>
    public const ulong CodeMagic = 0x4544_4f43_5441_4548;

    /// <summary>The newest version that this program reads: 2 has hits, 3 counts of them.</summary>
    public const uint Version = 3;

    /// <summary>The oldest version that this program reads: a ring without hits.</summary>
    public const uint OldestVersion = 1;

    /// <summary>Bytes before the first record or code entry.</summary>
    public const int HeaderBytes = 4096;

    /// <summary>Bytes of a record.</summary>
    public const int RecordBytes = 32;

    /// <summary>Bytes of a code entry.</summary>
    public const int CodeEntryBytes = 24;

    /// <summary>Target of a record that the consumer names from the physical address.</summary>
    public const ushort TargetByAddress = 0xffff;

    /// <summary>The largest capacity that a consumer maps (<c>RH_MAX_CAPACITY</c>): 2^28 records, 8 GiB.</summary>
    public const ulong MaxCapacity = 1UL << 28;

    /// <summary>The file that says who the wedge is; linked into place, so that it is whole when it is there.</summary>
    public const string InfoFile = "wedge.info";

    /// <summary>The file of instruction bytes.</summary>
    public const string CodeFile = "code";

    /// <summary>The file that says, once the wedge has ended, what was at which physical address; not every wedge writes one.</summary>
    public const string MemoryMapFile = "memory-map";

    /// <summary>What the names of ring files begin with; the ring's number follows.</summary>
    public const string RingFilePrefix = "ring-";
}

/// <summary>Bits of <see cref="RingRecord.Flags"/>.</summary>
[Flags]
public enum RecordFlags : byte
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>A further element of an execution that an earlier record began: no trap of its own.</summary>
    Continued = 0x01,

    /// <summary>The access address is guest-virtual; otherwise it is guest-physical.</summary>
    VirtualAccess = 0x02,

    /// <summary>By an annotated site: an execution that a rewriting wedge would not trap.</summary>
    Hit = 0x04,

    /// <summary>With <see cref="Hit"/>: the elements are as many executions of one element each, or, continued, further elements.</summary>
    Counted = 0x08,
}

/// <summary>One access, as a wedge saw it (<c>struct rh_record</c>).</summary>
[StructLayout(LayoutKind.Sequential, Pack = 1, Size = RingFormat.RecordBytes)]
public readonly struct RingRecord
{
    /// <summary>Address of the instruction as the guest runs it.</summary>
    public readonly ulong Ip;

    /// <summary>Address that was touched.</summary>
    public readonly ulong Access;

    /// <summary>Elements, at least 1.</summary>
    public readonly uint Elements;

    /// <summary>Low half of the record's position.</summary>
    public readonly uint Sequence;

    /// <summary>Index into the session's target names, or <see cref="RingFormat.TargetByAddress"/>.</summary>
    public readonly ushort Target;

    /// <summary>The vCPU.</summary>
    public readonly ushort Vcpu;

    /// <summary>What the instruction intended.</summary>
    public readonly Operation Operation;

    /// <summary>Bytes of one element.</summary>
    public readonly byte Size;

    /// <summary>Flags.</summary>
    public readonly RecordFlags Flags;

    internal readonly byte Reserved;

    /// <summary>True if the record begins an execution.</summary>
    public bool BeginsExecution => (Flags & RecordFlags.Continued) == 0;

    /// <summary>Executions that the record stands for: of most it is the one that it begins.</summary>
    public uint Executions => !BeginsExecution ? 0 : (Flags & RecordFlags.Counted) != 0 ? Elements : 1;

    /// <summary>What the execution was that the record belongs to.</summary>
    public Outcome Outcome => (Flags & RecordFlags.Hit) != 0 ? Outcome.Hit : Outcome.Trap;

    /// <summary>True if size, operation and flags are ones that this version knows. Only hits are counted: of traps each stands at a position of its own.</summary>
    public bool IsKnown => Operation.IsKnown() && Size is 1 or 2 or 4 or 8 or 16 or 32 or 64
        && (Flags & (RecordFlags.Counted | RecordFlags.Hit)) != RecordFlags.Counted;
}

/// <summary>A ring's counters since its epoch began (see reheat_ring.h).</summary>
/// <param name="Traps">Executions pushed or dropped.</param>
/// <param name="DroppedTraps">Executions that found the ring full.</param>
/// <param name="DroppedRecords">Records that found the ring full.</param>
/// <param name="OutsideTraps">Executions by code outside every registered image.</param>
/// <param name="Spurious">Accesses taken for a device's and found to be none.</param>
/// <param name="Hits">Executions of annotated sites, pushed or dropped; in none of the traps.</param>
/// <param name="DroppedHits">Those that found the ring full.</param>
public readonly record struct RingCounters(
    ulong Traps, ulong DroppedTraps, ulong DroppedRecords, ulong OutsideTraps, ulong Spurious, ulong Hits = 0, ulong DroppedHits = 0);
