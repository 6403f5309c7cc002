namespace Reheat.Assembler.Gas;

/// <summary>What makes a statement different from a plain instruction in a row of such.</summary>
[Flags]
internal enum StatementTraits : byte
{
    None = 0,

    /// <summary>In Intel syntax.</summary>
    Intel = 1,

    /// <summary>In a macro's body: it may stand in the code more than once.</summary>
    InMacro = 2,

    /// <summary>A label stands between its prefix and the instruction.</summary>
    Split = 4,
}

/// <summary>An instruction in the text, with the prefixes that stand before it as statements of their own.</summary>
/// <param name="Start">First byte: of the prefix, if there is one apart.</param>
/// <param name="PrefixEnd">After the last prefix that stands apart; <paramref name="Start"/> if none does.</param>
/// <param name="Instruction">First byte of the instruction.</param>
/// <param name="End">After its last operand.</param>
/// <param name="Section">Index in <see cref="SourceScan.Sections"/>.</param>
/// <param name="Traits">Where it stands.</param>
internal readonly record struct Statement(int Start, int PrefixEnd, int Instruction, int End, int Section, StatementTraits Traits)
{
    public bool HasPrefix => PrefixEnd > Start;

    public bool IsInMacro => (Traits & StatementTraits.InMacro) != 0;
}

/// <summary>A stretch of the text.</summary>
internal readonly record struct TextRange(int Start, int End);
