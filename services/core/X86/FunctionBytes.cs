namespace Reheat.Core.X86;

/// <summary>
/// A function's bytes with all that its normal form needs, the same for a fresh object (where references are relocations) and a
/// linked image (where they are numbers). Whoever reads the ELF file fills it in.
/// </summary>
public sealed record FunctionBytes
{
    /// <summary>The function's symbol; a reference of that name is a reference to the function itself.</summary>
    public required string Name { get; init; }

    /// <summary>From the symbol's value, for the symbol's size.</summary>
    public required ReadOnlyMemory<byte> Code { get; init; }

    /// <summary>Where the code stands: the link-time address in an image, the offset in its section in an object.</summary>
    public required ulong Address { get; init; }

    /// <summary>32 or 64.</summary>
    public required int Bitness { get; init; }

    /// <summary>Relocations that apply to the code, in any order; empty for a linked image.</summary>
    public IReadOnlyList<CodeReference> References { get; init; } = [];

    /// <summary>Places of this function that change after the assembler, in any order.</summary>
    public IReadOnlyList<PatchedRange> Patched { get; init; } = [];

    /// <summary>Instructions that stand elsewhere and count as if they stood here, in order of offset: see <see cref="CodeSubstitute"/>.</summary>
    public IReadOnlyList<CodeSubstitute> Substitutes { get; init; } = [];

    /// <summary>Stretches of the function that are not counted: thunks, which belong to the sites that <see cref="Substitutes"/> restores.</summary>
    public IReadOnlyList<(int Offset, int Length)> Uncounted { get; init; } = [];

    /// <summary>
    /// Names the symbol that covers an address, without offset; null if none does. Asked for direct calls and jumps that leave the
    /// function and have no relocation: all of them in an image, and in an object those that gas resolved itself (static functions of the
    /// same section), so give it there too. A symbol that begins at the address names it better than one around it. Of several symbols at one address take <see cref="SymbolChoice.Preferred"/>.
    /// </summary>
    public Func<ulong, string?>? NameOf { get; init; }
}

/// <summary>A relocation, seen from the code that it changes.</summary>
/// <param name="Offset">Of the relocated field, from the function's start.</param>
/// <param name="Name">
/// The symbol that covers what is referred to: the relocation's own symbol, or, for a section symbol with addend, the symbol that
/// covers that place; null if none does.
/// </param>
/// <param name="Target">Where the reference leads if that is in the function's own section (same space as
/// <see cref="FunctionBytes.Address"/>, the addend's pc-relative -4 taken off); null if elsewhere.</param>
public readonly record struct CodeReference(int Offset, string? Name, ulong? Target = null);

/// <summary>
/// An instruction that was moved out of line, as the policy selftest does with each site: the function has a jump in its place. Read with
/// its substitutes it has the ordinals, texts and fingerprint that it had before.
/// </summary>
/// <param name="Offset">Of the jump, from the function's start.</param>
/// <param name="Code">The bytes of the instruction that was moved.</param>
/// <param name="Address">Where they stand now.</param>
/// <param name="References">Relocations in them, by offset from their first byte.</param>
public sealed record CodeSubstitute(int Offset, ReadOnlyMemory<byte> Code, ulong Address, IReadOnlyList<CodeReference> References);

/// <summary>What changes a place after the assembler.</summary>
public enum PatchKind : byte
{
    /// <summary>Nothing does.</summary>
    None = 0,

    /// <summary>__jump_table: objtool and the kernel turn the jmp into a NOP and back. Not counted, so that both forms agree.</summary>
    JumpLabel = 1,

    /// <summary>__mcount_loc: the call of __fentry__ or its NOP. Not counted.</summary>
    FunctionTrace = 2,

    /// <summary>.static_call_sites. Counted: the files on both sides of the link hold the same call.</summary>
    StaticCall = 3,

    /// <summary>.altinstructions: the original instructions. Counted, for the same reason.</summary>
    Alternative = 4,

    /// <summary>.smp_locks: a lock prefix that becomes a NOP on one processor. Counted.</summary>
    LockPrefix = 5,

    /// <summary>.retpoline_sites and .return_sites. Counted.</summary>
    Retpoline = 6,

    /// <summary>An __ex_table entry's instruction: not patched, but its place is known elsewhere. Counted.</summary>
    ExceptionTable = 7,
}

/// <summary>A place that changes after the assembler.</summary>
/// <param name="Offset">From the function's start.</param>
/// <param name="Length">Bytes; 1 where only the instruction's start is known (jump labels, mcount).</param>
/// <param name="Kind">By what.</param>
public readonly record struct PatchedRange(int Offset, int Length, PatchKind Kind);
