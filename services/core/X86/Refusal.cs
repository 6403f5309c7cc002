namespace Reheat.Core.X86;

/// <summary>
/// Why a site is not annotated. The values are the database's: never renumber, only add. 1 to 19 follow from the instruction
/// alone, 20 to 39 from the image and the policy, 40 and up from the assembler stage.
/// </summary>
public enum Refusal : byte
{
    /// <summary>Nothing stands against it.</summary>
    None = 0,

    /// <summary>The bytes are no instruction.</summary>
    InvalidInstruction = 1,

    /// <summary>Touches no memory (lea, nop and prefetches included).</summary>
    NoMemoryAccess = 2,

    /// <summary>Touches only the stack, implicitly.</summary>
    StackOnly = 3,

    /// <summary>The operand is addressed by the stack pointer.</summary>
    StackRelative = 4,

    /// <summary>x87, MMX, SSE, AVX or state save: reported, not rewritable.</summary>
    SimdAccess = 5,

    /// <summary>A call or jump through memory.</summary>
    ControlFlow = 6,

    /// <summary>Loads or follows a far pointer.</summary>
    FarPointer = 7,

    /// <summary>The address is implied by registers that no operand names (xlat, maskmov, movdir64b, enqcmd).</summary>
    ImplicitAddress = 8,

    /// <summary>Addressed through %fs or %gs: per-CPU or thread data, never a device.</summary>
    SegmentOverride = 9,

    /// <summary>A class-1 instruction: annotated as such, not for what it touches.</summary>
    ClassOne = 10,

    /// <summary>Reported as class 1 but is no such instruction.</summary>
    NotSensitive = 11,

    /// <summary>The instruction does not do what the trace says.</summary>
    OperationMismatch = 12,

    /// <summary>The instruction's access has another width than the trace says.</summary>
    SizeMismatch = 13,

    /// <summary>A prefix stands apart from its string instruction.</summary>
    StringSplit = 14,

    /// <summary>The address is in no executable section of the image.</summary>
    OutsideImage = 20,

    /// <summary>Fewer traps or wedges than the policy asks for.</summary>
    QuorumNotMet = 21,

    /// <summary>A hand-written list denies it.</summary>
    DeniedByHand = 22,

    /// <summary>No function of that name.</summary>
    FunctionNotFound = 23,

    /// <summary>Several functions fit and nothing tells them apart.</summary>
    AmbiguousFunction = 24,

    /// <summary>The function changed so much that the site cannot be found again.</summary>
    FunctionChanged = 25,

    /// <summary>Another instruction stands at the site's ordinal.</summary>
    InstructionDiffers = 26,

    /// <summary>The address is inside an instruction.</summary>
    NotAnInstruction = 27,

    /// <summary>No symbol covers the address.</summary>
    OutsideFunction = 28,

    /// <summary>The bytes the guest ran differ from the image's.</summary>
    BytesDiffer = 29,

    /// <summary>An exception table names the instruction.</summary>
    ExceptionTable = 40,

    /// <summary>It stands in an alternative's replacement.</summary>
    AlternativeReplacement = 41,

    /// <summary>The kernel patches that place at run time.</summary>
    PatchedAtRunTime = 42,

    /// <summary>The section must not be instrumented (.noinstr.text, .entry.text).</summary>
    NoInstrument = 43,

    /// <summary>The output file is protected (vDSO, realmode, boot, purgatory, host program).</summary>
    ProtectedOutput = 44,

    /// <summary>Padding does not fit the code's fixed layout or short branches.</summary>
    FixedLayout = 45,

    /// <summary>A relocation at the site cannot be moved with it.</summary>
    RelocationInTheWay = 46,

    /// <summary>No assembly statement could be tied to the instruction.</summary>
    StatementNotFound = 47,

    /// <summary>The annotated object, decoded again, was not what it had to be; the site was left out.</summary>
    CheckFailed = 48,

    /// <summary>The statement stands in assembly that is not rewritten: a macro with differing instances, another code mode or syntax.</summary>
    UnsupportedSyntax = 49,
}
