using Reheat.Assembler.Gas;
using Reheat.Assembler.Matching;
using Reheat.Core.Annotations;
using Reheat.Core.X86;

namespace Reheat.Assembler.Emission;

/// <summary>Where an annotated instruction stands in the fresh object.</summary>
/// <param name="Section">Index of its section.</param>
/// <param name="Offset">In it.</param>
/// <param name="Function">The function around it; empty if there is none.</param>
internal readonly record struct PlannedPlace(int Section, ulong Offset, string Function);

/// <summary>One statement that is annotated: what is written for it, and where that will be looked for.</summary>
internal sealed class SitePlan
{
    /// <summary>Number of the statement, which its labels bear.</summary>
    public required int Number { get; init; }

    public required Statement Statement { get; init; }

    /// <summary>Bytes of the instruction; 0 while only the text is known.</summary>
    public required int Length { get; init; }

    /// <summary>Bytes of NOPs after it; <see cref="Emission.Padding.Measured"/> while only the text is known.</summary>
    public required int Padding { get; init; }

    /// <summary>Mnemonic of the instruction, for reports.</summary>
    public required string Mnemonic { get; init; }

    /// <summary>A transfer to a thunk stands in the instruction's place.</summary>
    public bool IsSelftest { get; init; }

    /// <summary>The function's last instruction goes on behind it: its thunks must be passed over.</summary>
    public bool FallsThrough { get; init; }

    /// <summary>Bytes by which the instruction moves the stack pointer down: push and pop.</summary>
    public int StackGrowth { get; init; }

    /// <summary>Targets of class 2, sorted; none for a class-1 instruction.</summary>
    public SortedSet<string> Targets { get; } = new(StringComparer.Ordinal);

    /// <summary>A sensitive instruction.</summary>
    public bool IsClassOne => Targets.Count == 0;

    /// <summary>One; more for a statement of a macro that is used more than once.</summary>
    public List<PlannedPlace> Places { get; } = [];

    /// <summary>The sites of the list that it is for.</summary>
    public List<Site> Sites { get; } = [];

    /// <summary>The function that thunks go to the end of.</summary>
    public FunctionEnd End { get; init; }

    /// <summary>Bytes from the start label to the end label.</summary>
    public int Extent => IsSelftest ? Emission.Padding.Transfer : Length + Padding;

    /// <summary>Why it is left out after all; <see cref="Refusal.None"/> while it is not.</summary>
    public Refusal Refusal { get; private set; }

    public string Detail { get; private set; } = "";

    /// <summary>Leaves it out.</summary>
    public void Refuse(Refusal refusal, string detail)
    {
        (Refusal, Detail) = (refusal, detail);
        foreach (Site site in Sites)
            site.Refuse(refusal, detail);
    }

    /// <summary>Names of the sections that its records go to.</summary>
    public IEnumerable<string> Sections => IsClassOne ? [RecordNames.InObject] : Targets.Select(target => $"{RecordNames.InObject}.{target}");
}
