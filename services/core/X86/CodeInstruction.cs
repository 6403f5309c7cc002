using Iced.Intel;

namespace Reheat.Core.X86;

/// <summary>An instruction in its function.</summary>
public readonly record struct CodeInstruction
{
    internal CodeInstruction(int offset, int ordinal, in SiteInstruction instruction, in ConstantOffsets constants, PatchKind patched, int referenceOffset) =>
        (Offset, Ordinal, Instruction, Constants, Patched, ReferenceOffset) = (offset, ordinal, instruction, constants, patched, referenceOffset);

    /// <summary>Bytes from the function's start.</summary>
    public int Offset { get; }

    /// <summary>
    /// Position among the counted instructions, from 0; -1 for one that is not counted: NOPs of every form, endbr, int3, and what
    /// stands at jump labels and mcount places.
    /// </summary>
    public int Ordinal { get; }

    /// <summary>True if it has an ordinal.</summary>
    public bool IsCounted => Ordinal >= 0;

    /// <summary>The instruction.</summary>
    public SiteInstruction Instruction { get; }

    /// <summary>What changes this place after the assembler; <see cref="PatchKind.None"/> if nothing.</summary>
    public PatchKind Patched { get; }

    internal ConstantOffsets Constants { get; }

    // Where its bytes stand among the function's references: at its offset, unless it is a substitute.
    internal int ReferenceOffset { get; }
}
