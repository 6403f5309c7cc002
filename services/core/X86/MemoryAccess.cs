namespace Reheat.Core.X86;

/// <summary>Directions of an access.</summary>
[Flags]
public enum MemoryAccess : byte
{
    /// <summary>No access.</summary>
    None = 0,

    /// <summary>A load.</summary>
    Read = 1,

    /// <summary>A store.</summary>
    Write = 2,
}

/// <summary>Through which operand an instruction reaches memory.</summary>
public enum MemoryShape : byte
{
    /// <summary>It does not.</summary>
    None = 0,

    /// <summary>One explicit operand (ModRM or moffs). The stack may be touched besides: push, pop.</summary>
    Operand = 1,

    /// <summary>A string instruction's source, DS:rSI (lods, outs).</summary>
    StringSource = 2,

    /// <summary>A string instruction's destination, ES:rDI (stos, scas, ins).</summary>
    StringDestination = 3,

    /// <summary>Both: movs reads the source and writes the destination, cmps reads both.</summary>
    StringBoth = 4,

    /// <summary>The stack alone, implicitly: push %reg, ret, call rel32, enter.</summary>
    Stack = 5,

    /// <summary>An address that no operand names: xlat, maskmov, movdir64b, enqcmd, monitor.</summary>
    Implicit = 6,
}

/// <summary>What else matters about an instruction that reaches memory.</summary>
[Flags]
public enum InstructionTraits : ushort
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>movs, cmps, scas, lods, stos, ins, outs.</summary>
    String = 1 << 0,

    /// <summary>A string instruction that repeats (rep, repe, repne): its count decides how many elements are accessed, perhaps none.</summary>
    Repeated = 1 << 1,

    /// <summary>Has a lock prefix that counts.</summary>
    Lock = 1 << 2,

    /// <summary>Atomic: lock prefix, or xchg with memory, which locks by itself (SDM volume 2, XCHG).</summary>
    Atomic = 1 << 3,

    /// <summary>The access is made through the base of %fs or %gs.</summary>
    SegmentBase = 1 << 4,

    /// <summary>Touches the stack implicitly, alone or beside the operand: a thunk entered by call sees it shifted.</summary>
    Stack = 1 << 5,

    /// <summary>bt, bts, btr, btc with a register: the element lies (register / operand bits) operands away from the operand's address.</summary>
    BitString = 1 << 6,

    /// <summary>x87, MMX, SSE, AVX, AMX, or a save or restore of such state.</summary>
    Simd = 1 << 7,

    /// <summary>The operand is %rip-relative.</summary>
    IpRelative = 1 << 8,

    /// <summary>May leave memory unwritten or unread, by what it finds: cmpxchg that fails, masked forms, rep with count 0.</summary>
    Conditional = 1 << 9,
}
