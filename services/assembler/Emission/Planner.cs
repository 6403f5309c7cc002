using Iced.Intel;
using Reheat.Assembler.Gas;
using Reheat.Assembler.Matching;
using Reheat.Core;
using Reheat.Core.Annotations;
using Reheat.Core.Elf;
using Reheat.Core.X86;

namespace Reheat.Assembler.Emission;

/// <summary>Judges the sites that were found, and plans what is written for those that nothing stands against.</summary>
internal sealed partial class Planner(byte[] text, SourceScan scan, FreshObject fresh, PaddingStyle style)
{
    // Changes under the instruction's feet, which an annotation cannot know of.
    private const PatchKinds Rewritten = PatchKinds.Rewritten & ~PatchKinds.Alternative & ~PatchKinds.SmpLock;

    private readonly SortedDictionary<int, SitePlan> _plans = [];
    private readonly Dictionary<ImageAddress, bool> _fallsThrough = [];

    /// <summary>The plans, in order of statements.</summary>
    public List<SitePlan> Plans => [.. _plans.Values];

    /// <summary>Plans the sites of class 2.</summary>
    public void Add(IEnumerable<Site> sites)
    {
        foreach (Site site in sites)
        {
            if (site.State != SiteState.Annotated)
                continue;
            if (Judge(site) is var (refusal, detail) && refusal != Refusal.None)
                site.Refuse(refusal, detail);
            else
                Plan(site);
        }
    }

    /// <summary>What its instruction and its place say against a site that was found.</summary>
    public (Refusal Refusal, string Detail) Judge(Site site)
    {
        SiteInstruction instruction = site.Instruction.Instruction;
        foreach (AnnotatedAccess access in site.Annotation.Accesses)
        {
            if (instruction.Check(access.Operation, access.Size) is not Refusal.None and var refusal)
                return (refusal, $"{access.Operation.Name()} of {access.Size} bytes by {site.Text}");
            if (access.Operation != Operation.SensitiveInstruction && !TargetName.IsValid(access.Target))
                return (Refusal.UnsupportedSyntax, $"target \"{access.Target}\": expected {TargetName.Expected}");
        }
        (Refusal place, string where) = JudgePlace(site.Found!.Section, site.Offset, instruction.Length);
        site.IsAlternative = (KindsAt(site.Found.Section, site.Offset, instruction.Length) & PatchKinds.Alternative) != 0;
        return (place, where);
    }

    private PatchKinds KindsAt(ElfSection section, ulong offset, int length) => fresh.Patched.KindsAt(section.Start + offset, (ulong)length);

    private (Refusal, string) JudgePlace(ElfSection section, ulong offset, int length)
    {
        if (FreshObject.Untouchable(section.Name) is { } name)
            return (Refusal.NoInstrument, name);
        PatchKinds kinds = KindsAt(section, offset, length);
        if ((kinds & PatchKinds.AlternativeReplacement) != 0)
            return (Refusal.AlternativeReplacement, "");
        if ((kinds & PatchKinds.ExceptionSite) != 0)
            return (Refusal.ExceptionTable, "");
        if ((kinds & Rewritten) != 0)
            return (Refusal.PatchedAtRunTime, (kinds & Rewritten).ToString());
        return default;
    }

    private void Plan(Site site)
    {
        SiteInstruction instruction = site.Instruction.Instruction;
        int section = site.Found!.Section.Index;
        if (!fresh.Map.TryFind(section, site.Offset, out StatementPlace place))
        {
            site.Refuse(Refusal.StatementNotFound, "raw bytes, a repeated block, or code of another mode");
            return;
        }
        Statement statement = scan.Statements[place.Statement];
        if (statement.IsInMacro && fresh.Map.Instances(place.Statement) != 1)
        {
            site.Refuse(Refusal.UnsupportedSyntax, $"in a macro that is used {fresh.Map.Instances(place.Statement)} times");
            return;
        }
        if (HasUnknownGroup(site.Found.Section, statement))
        {
            site.Refuse(Refusal.UnsupportedSyntax, UnknownGroup);
            return;
        }
        if ((statement.Traits & StatementTraits.Split) != 0)
        {
            site.Refuse(Refusal.StringSplit, "a label stands between the prefix and its instruction");
            return;
        }
        // One that is sensitive whatever it touches is annotated as such: its room and its section are those of class 1.
        bool isClassOne = site.Annotation.Accesses.All(access => access.Operation == Operation.SensitiveInstruction);
        if (!_plans.TryGetValue(place.Statement, out SitePlan? plan))
        {
            FunctionEnd end = default;
            bool isSelftest = style == PaddingStyle.Selftest && !isClassOne;
            if (isClassOne && OpensShadow(instruction, section, site.Offset) is { } shadow)
            {
                site.Refuse(Refusal.FixedLayout, shadow);
                return;
            }
            if (isSelftest && CannotMove(site, statement, out end) is { } reason)
            {
                site.Refuse(Refusal.RelocationInTheWay, reason);
                return;
            }
            plan = new SitePlan
            {
                Number = place.Statement,
                Statement = statement,
                Length = instruction.Length,
                Mnemonic = instruction.Mnemonic,
                Padding = isSelftest ? 0 : isClassOne ? Padding.OfSensitive(instruction, style) : Padding.OfMemory(instruction, style),
                IsSelftest = isSelftest,
                FallsThrough = isSelftest && FallsThrough(site.Found),
                StackGrowth = -instruction.Decoded.StackPointerIncrement,
                End = end,
            };
            plan.Places.Add(new PlannedPlace(section, site.Offset, site.Found.Name));
            _plans.Add(place.Statement, plan);
        }
        plan.Sites.Add(site);
        foreach (AnnotatedAccess access in site.Annotation.Accesses.Where(_ => !isClassOne))
            plan.Targets.Add(access.Target);
    }

    // Records outside of the code's group would be taken for those of the copy that the linker keeps.
    private bool HasUnknownGroup(ElfSection section, Statement statement) =>
        section.IsInGroup && (statement.IsInMacro || scan.Sections[statement.Section].Group.Length == 0);

    private const string UnknownGroup = "the text does not say which COMDAT group its section belongs to";

    // Thunks stand behind the function's last instruction. If that goes on, as a call that does return or a branch that is not taken, it must
    // not meet them.
    private bool FallsThrough(ElfFunction function)
    {
        if (!_fallsThrough.TryGetValue(function.Start, out bool known))
        {
            ReadOnlySpan<CodeInstruction> code = fresh.Reader.Decode(function).Instructions;
            int last = code.Length - 1;
            while (last >= 0 && code[last].Instruction.Decoded.Mnemonic is Mnemonic.Nop or Mnemonic.Int3)
                last--;
            known = last < 0 || code[last].Instruction.Decoded.FlowControl is not (FlowControl.UnconditionalBranch or FlowControl.IndirectBranch or FlowControl.Return or FlowControl.Exception);
            _fallsThrough.Add(function.Start, known);
        }
        return known;
    }

    private string? CannotMove(Site site, Statement statement, out FunctionEnd end)
    {
        end = scan.Ends.FirstOrDefault(e => e.Position > statement.Start && (e.Name == site.Found!.Name || site.Found.Aliases.Any(a => a.Name == e.Name)));
        if (statement.IsInMacro || (statement.Traits & StatementTraits.Intel) != 0)
            return "a macro or Intel syntax cannot move to a thunk";
        if (end.Name is null)
            return "the function has no .size directive to put the thunk before";
        if (scan.Sections[end.Section].Name != scan.Sections[statement.Section].Name)
            return "the function ends in another section";
        if (fresh.Bitness == 32 && fresh.IsPositionIndependent)
            return "the counter of position-independent i386 code would need a relocation in the text";
        return SelftestThunk.CanMove(text.AsSpan(statement.Instruction, statement.End - statement.Instruction))
            ? null
            : "the operand names its own place or a numbered label";
    }
}
