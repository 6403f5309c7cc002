namespace Reheat.Core.Elf;

/// <summary>Why a place of a kernel's code is not what the compiler emitted, or must not be touched. Values are stored: never renumber.</summary>
[Flags]
public enum PatchKinds : ushort
{
    /// <summary>Nothing of the kind.</summary>
    None = 0,

    /// <summary>Static branch (<c>__jump_table</c>): a jump or a NOP of 2 or 5 bytes.</summary>
    JumpLabel = 1 << 0,

    /// <summary>Static call (<c>.static_call_sites</c>).</summary>
    StaticCall = 1 << 1,

    /// <summary>Call of the function tracer (<c>__mcount_loc</c>), 5 bytes.</summary>
    Mcount = 1 << 2,

    /// <summary>Original of an alternative (<c>.altinstructions</c>).</summary>
    Alternative = 1 << 3,

    /// <summary>Replacement of an alternative, in <c>.altinstr_replacement</c>: copied elsewhere before it runs.</summary>
    AlternativeReplacement = 1 << 4,

    /// <summary>A <c>lock</c> prefix that a uniprocessor replaces (<c>.smp_locks</c>), 1 byte.</summary>
    SmpLock = 1 << 5,

    /// <summary>Paravirtual call (<c>.parainstructions</c>).</summary>
    Paravirt = 1 << 6,

    /// <summary>Call or jump of a retpoline thunk (<c>.retpoline_sites</c>).</summary>
    Retpoline = 1 << 7,

    /// <summary>Jump to the return thunk (<c>.return_sites</c>).</summary>
    Return = 1 << 8,

    /// <summary>An <c>endbr</c> that may be sealed (<c>.ibt_endbr_seal</c>), 4 bytes.</summary>
    Endbr = 1 << 9,

    /// <summary>First byte of an instruction that may fault (<c>__ex_table</c>).</summary>
    ExceptionSite = 1 << 10,

    /// <summary>First byte of where such a fault continues.</summary>
    ExceptionFixup = 1 << 11,

    /// <summary><c>.noinstr.text</c>: code in which nothing may be instrumented.</summary>
    Noinstr = 1 << 12,

    /// <summary>The kinds whose bytes change at run time.</summary>
    Rewritten = JumpLabel | StaticCall | Mcount | Alternative | SmpLock | Paravirt | Retpoline | Return | Endbr,
}

/// <summary>One such place.</summary>
/// <param name="Start">First byte.</param>
/// <param name="Length">Bytes, at least 1.</param>
/// <param name="Kind">Exactly one kind.</param>
public readonly record struct PatchedRange(ImageAddress Start, ulong Length, PatchKinds Kind) : IComparable<PatchedRange>
{
    /// <summary>First address after it.</summary>
    public ImageAddress End => Start + Length;

    /// <summary>By start, kind, length.</summary>
    public int CompareTo(PatchedRange other)
    {
        int order = Start.CompareTo(other.Start);
        if (order == 0)
            order = Kind.CompareTo(other.Kind);
        return order != 0 ? order : Length.CompareTo(other.Length);
    }
}
