using Iced.Intel;
using Reheat.Assembler.Gas;
using Reheat.Core.Annotations;
using Reheat.Core.Elf;
using Reheat.Core.X86;

namespace Reheat.Assembler.Emission;

/// <summary>A sensitive instruction that is not annotated.</summary>
/// <param name="Function">Around it.</param>
/// <param name="Instruction">Its mnemonic.</param>
/// <param name="Refusal">Why.</param>
/// <param name="Detail">More of why.</param>
internal sealed record RefusedClassOne(string Function, string Instruction, Refusal Refusal, string Detail);

internal sealed partial class Planner
{
    /// <summary>The sensitive instructions that are left as they are.</summary>
    public List<RefusedClassOne> RefusedClassOne { get; } = [];

    /// <summary>Plans all sensitive instructions of the object, and names those that it cannot.</summary>
    /// <param name="listed">The list's units: their lines may deny.</param>
    public void AddClassOne(IReadOnlyList<UnitAnnotations> listed)
    {
        ILookup<string, FunctionAnnotations> denying = listed.SelectMany(unit => unit.Functions)
            .Where(function => function.Sites.Any(site => site.Standing == Standing.Deny)).ToLookup(function => function.Name);
        var seen = new HashSet<(int, ulong)>();
        foreach (var group in fresh.Map.Places.GroupBy(p => p.Value.Statement).OrderBy(g => g.Key))
        {
            (int Section, ulong Offset)[] places = [.. group.Select(p => p.Key).Order()];
            SiteInstruction[] found = [.. places.Select(p => Decode(p.Section, p.Offset))];
            seen.UnionWith(places);
            if (!found.Any(i => i.IsSensitive))
                continue;
            Statement statement = scan.Statements[group.Key];
            (Refusal refusal, string detail) = Judge(statement, places, found);
            if (refusal == Refusal.None && places.Any(p => IsDenied(p, denying)))
                (refusal, detail) = (Refusal.DeniedByHand, "");
            if (refusal != Refusal.None)
            {
                RefusedClassOne.AddRange(places.Select((p, i) => new RefusedClassOne(FunctionAt(p), found[i].Mnemonic, refusal, detail)));
                continue;
            }
            var plan = new SitePlan
            {
                Number = group.Key,
                Statement = statement,
                Length = found[0].Length,
                Mnemonic = found[0].Mnemonic,
                Padding = Padding.OfSensitive(found[0], style),
            };
            plan.Places.AddRange(places.Select(p => new PlannedPlace(p.Section, p.Offset, FunctionAt(p))));
            _plans[group.Key] = plan;
        }
        AddWithoutStatement(seen);
    }

    // Written as bytes, in a block that is repeated or in code of another mode: there, but in no statement that can be annotated.
    private void AddWithoutStatement(HashSet<(int, ulong)> seen)
    {
        foreach (ElfSection section in fresh.Elf.Sections)
        {
            if (!section.IsExecutable || section.Type != ElfSectionType.ProgramBits)
                continue;
            ReadOnlySpan<byte> bytes = section.Bytes;
            for (int at = 0; at < bytes.Length;)
            {
                SiteInstruction instruction = Decode(section.Index, (ulong)at);
                if (instruction.IsSensitive && !seen.Contains((section.Index, (ulong)at)))
                {
                    (Refusal refusal, string detail) = JudgePlace(section, (ulong)at, instruction.Length);
                    RefusedClassOne.Add(refusal != Refusal.None
                        ? new(FunctionAt((section.Index, (ulong)at)), instruction.Mnemonic, refusal, detail)
                        : new(FunctionAt((section.Index, (ulong)at)), instruction.Mnemonic, Refusal.StatementNotFound, "raw bytes, a repeated block, or code of another mode"));
                }
                at += instruction.IsValid ? instruction.Length : 1;
            }
        }
    }

    private bool IsDenied((int Section, ulong Offset) place, ILookup<string, FunctionAnnotations> denying)
    {
        if (denying.Count == 0 || fresh.Elf.FindFunction(fresh.Elf.Sections[place.Section].Start + place.Offset) is not { } function || !denying.Contains(function.Name))
            return false;
        FunctionCode code = fresh.Reader.Decode(function);
        int ordinal = code.At((int)((fresh.Elf.Sections[place.Section].Start + place.Offset).Value - function.Start.Value))?.Ordinal ?? -1;
        return denying[function.Name].Any(denial => (denial.Fingerprint.IsNone || denial.Fingerprint == code.Fingerprint) &&
            denial.Sites.Any(site => site.Standing == Standing.Deny && (site.Ordinal == Annotation.EveryOrdinal || site.Ordinal == ordinal)));
    }

    private (Refusal, string) Judge(Statement statement, (int Section, ulong Offset)[] places, SiteInstruction[] found)
    {
        if ((statement.Traits & StatementTraits.Split) != 0)
            return (Refusal.StringSplit, "a label stands between the prefix and its instruction");
        for (int i = 0; i < places.Length; i++)
        {
            ElfSection section = fresh.Elf.Sections[places[i].Section];
            if (!section.IsExecutable)
                return (Refusal.NoInstrument, section.Name);
            if (HasUnknownGroup(section, statement))
                return (Refusal.UnsupportedSyntax, UnknownGroup);
            if (JudgePlace(section, places[i].Offset, found[i].Length) is var (refusal, detail) && refusal != Refusal.None)
                return (refusal, detail);
            if (found[i].Length != found[0].Length || Padding.OfSensitive(found[i], style) != Padding.OfSensitive(found[0], style) || !found[i].IsSensitive)
                return (Refusal.UnsupportedSyntax, "the macro's instances are different instructions");
            if (OpensShadow(found[i], places[i].Section, places[i].Offset) is { } shadow)
                return (Refusal.FixedLayout, shadow);
        }
        return default;
    }

    // sti, mov ss and pop ss hold interrupts back for one instruction (SDM volume 3, 6.8.3): sti; hlt must not lose a wake-up, and an interrupt must
    // not come between a new stack segment and its pointer.
    private string? OpensShadow(in SiteInstruction instruction, int section, ulong offset)
    {
        bool isStack = instruction.Decoded.Mnemonic is Mnemonic.Mov or Mnemonic.Pop && instruction.Decoded.Op0Kind == OpKind.Register && instruction.Decoded.Op0Register == Register.SS;
        if ((!isStack && instruction.Decoded.Mnemonic != Mnemonic.Sti) || Padding.OfSensitive(instruction, style) == 0)
            return null;
        SiteInstruction next = Decode(section, offset + (ulong)instruction.Length);
        bool setsPointer = isStack && next.Decoded.OpCount > 0 && next.Decoded.Op0Kind == OpKind.Register && next.Decoded.Op0Register.GetFullRegister() == Register.RSP;
        return next.IsSensitive || setsPointer ? $"padding would end the interrupt shadow in which {next.Mnemonic} follows" : null;
    }

    private SiteInstruction Decode(int section, ulong offset)
    {
        ReadOnlySpan<byte> bytes = fresh.Elf.Sections[section].Bytes;
        return SiteInstruction.Decode(offset < (ulong)bytes.Length ? bytes[(int)offset..] : [], offset, fresh.Bitness);
    }

    private string FunctionAt((int Section, ulong Offset) place) =>
        fresh.Elf.FindFunction(fresh.Elf.Sections[place.Section].Start + place.Offset)?.Name ?? "";
}
