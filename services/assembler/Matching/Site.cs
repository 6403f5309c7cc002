using Reheat.Core.Annotations;
using Reheat.Core.Elf;
using Reheat.Core.X86;

namespace Reheat.Assembler.Matching;

/// <summary>What became of a listed site.</summary>
internal enum SiteState : byte
{
    Annotated,
    Refused,
    Lost,
}

/// <summary>One listed site, from the list to the report.</summary>
internal sealed class Site(string unit, FunctionAnnotations function, Annotation annotation)
{
    public string Unit => unit;

    public FunctionAnnotations Function => function;

    public Annotation Annotation => annotation;

    public SiteState State { get; private set; }

    public Refusal Refusal { get; private set; }

    public string Detail { get; private set; } = "";

    /// <summary>True if the fingerprint said that nothing changed.</summary>
    public bool IsExact { get; private set; }

    /// <summary>0 to 1; 0 for a lost one.</summary>
    public double Confidence { get; private set; }

    /// <summary>Where it was found; null while it was not.</summary>
    public ElfFunction? Found { get; private set; }

    public CodeInstruction Instruction { get; private set; }

    /// <summary>The instruction as it reads now.</summary>
    public string Text { get; private set; } = annotation.Instruction;

    /// <summary>The original of an alternative: valid while those bytes stand.</summary>
    public bool IsAlternative { get; set; }

    /// <summary>The ordinal where it was found, else the list's.</summary>
    public int Ordinal => Found is null ? annotation.Ordinal : Instruction.Ordinal;

    /// <summary>Its section-relative position in the fresh object.</summary>
    public ulong Offset => Found!.Start.Value - Found.Section.Start.Value + (ulong)Instruction.Offset;

    public void Find(ElfFunction found, FunctionCode code, CodeInstruction instruction, bool exact, double confidence)
    {
        (Found, Instruction, IsExact, Confidence) = (found, instruction, exact, confidence);
        Text = code.Text(instruction);
    }

    public void Lose(Refusal refusal, string detail = "") => (State, Refusal, Detail, Confidence) = (SiteState.Lost, refusal, detail, 0);

    public void Refuse(Refusal refusal, string detail = "") => (State, Refusal, Detail) = (SiteState.Refused, refusal, detail);
}
