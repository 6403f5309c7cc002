namespace Reheat.Core.X86;

/// <summary>What tables, views and pages print for a <see cref="Refusal"/>.</summary>
public static class RefusalTexts
{
    /// <summary>The stable name, in kebab case: <c>exception-table</c>. A value of a newer version: <c>refusal-N</c>.</summary>
    public static string Name(this Refusal refusal) => Texts(refusal).Name;

    /// <summary>One line for the reader: what stands against the annotation.</summary>
    public static string Text(this Refusal refusal) => Texts(refusal).Text;

    private static (string Name, string Text) Texts(Refusal refusal) => refusal switch
    {
        Refusal.None => ("none", "can be annotated"),
        Refusal.InvalidInstruction => ("invalid-instruction", "the bytes are no instruction"),
        Refusal.NoMemoryAccess => ("no-memory-access", "the instruction touches no memory"),
        Refusal.StackOnly => ("stack-only", "the instruction touches only the stack"),
        Refusal.StackRelative => ("stack-relative", "the operand is addressed by the stack pointer"),
        Refusal.SimdAccess => ("simd-access", "x87, MMX, SSE or AVX access: reported, not rewritable"),
        Refusal.ControlFlow => ("control-flow", "a call or jump through memory"),
        Refusal.FarPointer => ("far-pointer", "a far pointer is loaded or followed"),
        Refusal.ImplicitAddress => ("implicit-address", "no operand names the address that is accessed"),
        Refusal.SegmentOverride => ("segment-override", "addressed through %fs or %gs: per-CPU or thread data"),
        Refusal.ClassOne => ("class-one", "a sensitive instruction: annotated as class 1, not for what it touches"),
        Refusal.NotSensitive => ("not-sensitive", "reported as a sensitive instruction but is none"),
        Refusal.OperationMismatch => ("operation-mismatch", "the instruction does not do what the trace says"),
        Refusal.SizeMismatch => ("size-mismatch", "the instruction's access has another width than the trace says"),
        Refusal.StringSplit => ("string-split", "a prefix stands apart from its string instruction"),
        Refusal.OutsideImage => ("outside-image", "the address is in no executable section of the image"),
        Refusal.QuorumNotMet => ("quorum-not-met", "fewer traps or wedges than the policy asks for"),
        Refusal.DeniedByHand => ("denied-by-hand", "a hand-written list denies it"),
        Refusal.FunctionNotFound => ("function-not-found", "no function of that name"),
        Refusal.AmbiguousFunction => ("ambiguous-function", "several functions fit and nothing tells them apart"),
        Refusal.FunctionChanged => ("function-changed", "the function changed too much to find the site again"),
        Refusal.InstructionDiffers => ("instruction-differs", "another instruction stands at the site's ordinal"),
        Refusal.NotAnInstruction => ("not-an-instruction", "the address is inside an instruction"),
        Refusal.OutsideFunction => ("outside-function", "no symbol covers the address"),
        Refusal.BytesDiffer => ("bytes-differ", "the bytes that the guest ran are not the image's"),
        Refusal.ExceptionTable => ("exception-table", "an exception table names the instruction"),
        Refusal.AlternativeReplacement => ("alternative-replacement", "it stands in an alternative's replacement"),
        Refusal.PatchedAtRunTime => ("patched-at-run-time", "the kernel patches that place at run time"),
        Refusal.NoInstrument => ("no-instrument", "the section must not be instrumented"),
        Refusal.ProtectedOutput => ("protected-output", "the output file is protected (vDSO, realmode, boot, host program)"),
        Refusal.FixedLayout => ("fixed-layout", "padding does not fit a fixed layout or a short branch"),
        Refusal.RelocationInTheWay => ("relocation-in-the-way", "a relocation at the site cannot be moved with it"),
        Refusal.StatementNotFound => ("statement-not-found", "no assembly statement could be tied to the instruction"),
        Refusal.CheckFailed => ("check-failed", "the annotated object did not pass the check; left out"),
        Refusal.UnsupportedSyntax => ("unsupported-syntax", "assembly that is not rewritten: differing macro instances, another mode or syntax"),
        _ => ($"refusal-{(byte)refusal}", "a reason that this version does not know"),
    };
}
