using Iced.Intel;
using Reheat.Assembler.Gas;
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

    /// <summary>Plans all sensitive instructions of the object.</summary>
    public void AddClassOne()
    {
        foreach (var group in fresh.Map.Places.GroupBy(p => p.Value.Statement).OrderBy(g => g.Key))
        {
            (int Section, ulong Offset)[] places = [.. group.Select(p => p.Key).Order()];
            SiteInstruction[] found = [.. places.Select(p => Decode(p.Section, p.Offset))];
            if (!found.Any(i => i.IsSensitive))
                continue;
            Statement statement = scan.Statements[group.Key];
            (Refusal refusal, string detail) = Judge(statement, places, found);
            if (refusal != Refusal.None)
            {
                RefusedClassOne.Add(new(FunctionAt(places[0]), found[0].Mnemonic, refusal, detail));
                continue;
            }
            var plan = new SitePlan
            {
                Number = group.Key,
                Statement = statement,
                Length = found[0].Length,
                Padding = Padding.OfSensitive(found[0], style),
            };
            plan.Places.AddRange(places.Select(p => new PlannedPlace(p.Section, p.Offset, FunctionAt(p))));
            _plans[group.Key] = plan;
        }
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
            if (JudgePlace(section, places[i].Offset, found[i].Length) is var (refusal, detail) && refusal != Refusal.None)
                return (refusal, detail);
            if (found[i].Length != found[0].Length || Padding.OfSensitive(found[i], style) != Padding.OfSensitive(found[0], style) || !found[i].IsSensitive)
                return (Refusal.UnsupportedSyntax, "the macro's instances are different instructions");
            if (OpensShadow(found[i]) && Decode(places[i].Section, places[i].Offset + (ulong)found[i].Length) is { IsSensitive: true } next)
                return (Refusal.FixedLayout, $"padding would end the interrupt shadow in which {next.Mnemonic} follows");
        }
        return default;
    }

    // sti, mov ss and pop ss hold interrupts back for one instruction (SDM volume 3, 6.8.3): sti; hlt must not lose a wake-up.
    private static bool OpensShadow(in SiteInstruction instruction) => instruction.Decoded.Mnemonic == Mnemonic.Sti ||
        (instruction.Decoded.Mnemonic is Mnemonic.Mov or Mnemonic.Pop && instruction.Decoded.Op0Kind == OpKind.Register && instruction.Decoded.Op0Register == Register.SS);

    private SiteInstruction Decode(int section, ulong offset)
    {
        ReadOnlySpan<byte> bytes = fresh.Elf.Sections[section].Bytes;
        return SiteInstruction.Decode(offset < (ulong)bytes.Length ? bytes[(int)offset..] : [], offset, fresh.Bitness);
    }

    private string FunctionAt((int Section, ulong Offset) place) =>
        fresh.Elf.FindFunction(fresh.Elf.Sections[place.Section].Start + place.Offset)?.Name ?? "";
}
