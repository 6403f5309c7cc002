using Reheat.Assembler.Gas;
using Reheat.Core.Elf;

namespace Reheat.Assembler.Checking;

/// <summary>
/// What refers to code from outside of it: tables of jumps, exceptions and alternatives, pointers. Each entry must lead to what its place in the
/// code has become; an offset from a symbol into code that was padded would not.
/// </summary>
internal static class DataCheck
{
    /// <summary>The faults; the code must have been walked.</summary>
    public static IEnumerable<Fault> Run(ElfImage fresh, ElfImage annotated, IReadOnlyDictionary<int, CodePair> pairs)
    {
        ILookup<string, ElfSection> there = annotated.Sections.Where(IsData).ToLookup(s => s.Name);
        foreach (IGrouping<string, ElfSection> group in fresh.Sections.Where(IsData).GroupBy(s => s.Name))
        {
            ElfSection[] old = [.. group], @new = [.. there[group.Key]];
            for (int i = 0; i < old.Length; i++)
            {
                ElfRelocation[] before = fresh.RelocationsOf(old[i]).ToArray();
                if (before.Length > 0 && Compare(fresh, before, annotated, i < @new.Length ? annotated.RelocationsOf(@new[i]).ToArray() : [], pairs) is { } difference)
                    yield return new Fault(0, 0, $"section {group.Key}: {difference}");
            }
        }
    }

    // Debug information follows the code by itself, and nothing runs by it.
    private static bool IsData(ElfSection section) =>
        !section.IsExecutable && section.Type != ElfSectionType.NoBits && !section.NameStartsWith(".debug"u8) && !section.NameStartsWith(".eh_frame"u8) &&
        !section.NameStartsWith(LabelledText.Sections);

    private static string? Compare(ElfImage fresh, ElfRelocation[] old, ElfImage annotated, ElfRelocation[] @new, IReadOnlyDictionary<int, CodePair> pairs)
    {
        if (old.Length != @new.Length)
            return $"{old.Length} relocations became {@new.Length}";
        // A relative entry of a jump table counts from the table's start, which may be before it.
        long table = -1;
        for (int i = 0; i < old.Length; i++)
        {
            ElfRelocation a = old[i], b = @new[i];
            ElfSymbol from = fresh.Symbols[a.SymbolIndex], to = annotated.Symbols[b.SymbolIndex];
            if (a.Offset != b.Offset || a.Type != b.Type)
                return $"+0x{a.Offset:x}: another relocation";
            if (CodePair.SymbolDifference(from, to) is { } difference)
                return $"+0x{a.Offset:x}: {difference}";
            if (from.SectionIndex == 0 || !pairs.TryGetValue(from.SectionIndex, out CodePair? pair))
            {
                table = -1;
                if (a.Addend != b.Addend)
                    return $"+0x{a.Offset:x}: another place of {from.Name}";
                continue;
            }
            bool Leads(long distance) => pair.New.Index == to.SectionIndex && pair.IsSamePlace((long)from.Value + a.Addend + distance, (long)to.Value + b.Addend + distance);
            bool isRelative = ElfRelocationTypes.IsFromPlace(fresh.Machine, a.Type);
            if (isRelative && table >= 0 && Leads(table - (long)a.Offset))
                continue;
            if (!Leads(0))
                return $"+0x{a.Offset:x} leads into code that moved";
            table = isRelative ? (long)a.Offset : -1;
        }
        return null;
    }
}
