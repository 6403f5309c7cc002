using Reheat.Core.X86;

namespace Reheat.Core.Annotations;

/// <summary>By whom a line was decided.</summary>
public enum Standing : byte
{
    /// <summary>By the traces.</summary>
    Listed = 0,

    /// <summary>By hand: annotate, traces or not.</summary>
    Allow = 1,

    /// <summary>By hand: never annotate.</summary>
    Deny = 2,
}

/// <summary>One thing that an instruction was seen to do.</summary>
/// <param name="Operation">What it intended.</param>
/// <param name="Size">Bytes of an access; 0 for a sensitive instruction.</param>
/// <param name="Target">What it touched: <c>lapic</c>, <c>pte</c>; for a sensitive instruction its family.</param>
public readonly record struct AnnotatedAccess(Operation Operation, int Size, string Target) : IComparable<AnnotatedAccess>
{
    /// <summary>By operation, size, target (ordinal): the order in a list.</summary>
    public int CompareTo(AnnotatedAccess other) => (Operation, Size).CompareTo((other.Operation, other.Size)) is not 0 and int order
        ? order
        : string.CompareOrdinal(Target, other.Target);
}

/// <summary>One site of a function: a line of the list.</summary>
/// <param name="Ordinal">The instruction's ordinal (<see cref="CodeInstruction.Ordinal"/>), or <see cref="EveryOrdinal"/>.</param>
/// <param name="Accesses">
/// All that it was seen to do, in order: an accessor that reaches two devices has one of each target, a string move one for its
/// load and one for its store. Empty only where denied.
/// </param>
/// <param name="Instruction">Normalised (<see cref="FunctionCode.Text(in CodeInstruction)"/>); may be empty where written by hand.</param>
/// <param name="Standing">By whom it was decided.</param>
public sealed record Annotation(int Ordinal, ValueList<AnnotatedAccess> Accesses, string Instruction, Standing Standing = Standing.Listed)
{
    /// <summary>Stands for all instructions of the function, in a denial.</summary>
    public const int EveryOrdinal = -1;
}

/// <summary>The sites of one function.</summary>
/// <param name="Name">Its symbol.</param>
/// <param name="Fingerprint">Of the code that was traced; none in a hand-written list that means every version.</param>
/// <param name="Sketch">Of the same code, to find the sites in a changed function; may be empty.</param>
/// <param name="Sites">In order of ordinal.</param>
public sealed record FunctionAnnotations(string Name, Fingerprint Fingerprint, CodeSketch Sketch, ValueList<Annotation> Sites);

/// <summary>The functions of one compile unit.</summary>
/// <param name="Name">Path of the source file as the build names it, else the file symbol; empty if unknown; <c>*</c> by hand for any.</param>
/// <param name="Functions">In ordinal order of name, then by fingerprint.</param>
public sealed record UnitAnnotations(string Name, ValueList<FunctionAnnotations> Functions);
