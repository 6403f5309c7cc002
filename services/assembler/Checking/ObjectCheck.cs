using Reheat.Assembler.Emission;
using Reheat.Core.Annotations;
using Reheat.Core.Elf;

namespace Reheat.Assembler.Checking;

/// <summary>
/// Decodes the annotated object again (design, invariant 3): every record brackets the planned instruction and its padding, and nothing
/// else of the code changed.
/// </summary>
internal static class ObjectCheck
{
    /// <summary>The faults; none if the object is what it has to be.</summary>
    public static List<Fault> Run(ElfImage fresh, ElfImage annotated, IReadOnlyList<SitePlan> plans)
    {
        ElfSection[] old = [.. fresh.Sections.Where(IsCode)], @new = [.. annotated.Sections.Where(IsCode)];
        if (!old.Select(s => s.Name).SequenceEqual(@new.Select(s => s.Name)))
            return [new Fault(0, 0, "the object has other sections of code")];
        var pairs = new Dictionary<int, CodePair>();
        for (int i = 0; i < old.Length; i++)
            pairs.Add(old[i].Index, new CodePair(fresh, old[i], annotated, @new[i], plans));
        List<Fault> faults = [.. pairs.Values.Select(pair => pair.Walk()).OfType<Fault>()];
        if (faults.Count > 0)
            return faults;
        faults.AddRange(pairs.Values.Select(pair => pair.CheckReferences(pairs)).OfType<Fault>());
        faults.AddRange(Symbols(fresh, annotated, pairs));
        faults.AddRange(DataCheck.Run(fresh, annotated, pairs));
        if (faults.Count == 0)
            faults.AddRange(Records(annotated, plans, pairs));
        return faults;
    }

    private static bool IsCode(ElfSection section) => section.IsExecutable && section.Type == ElfSectionType.ProgramBits;

    // Functions begin where they began.
    private static IEnumerable<Fault> Symbols(ElfImage fresh, ElfImage annotated, Dictionary<int, CodePair> pairs)
    {
        var found = new Dictionary<(int, string), int>();
        foreach (ElfSymbol symbol in annotated.Symbols)
        {
            if (symbol.Type is ElfSymbolType.Function)
                found.TryAdd((symbol.SectionIndex, symbol.Name), (int)symbol.Value);
        }
        foreach (ElfSymbol symbol in fresh.Symbols)
        {
            if (symbol.Type is not ElfSymbolType.Function || !pairs.TryGetValue(symbol.SectionIndex, out CodePair? pair))
                continue;
            int expected = pair.Map((long)symbol.Value);
            if (!found.TryGetValue((pair.New.Index, symbol.Name), out int value) || (expected >= 0 && value > expected))
                yield return new Fault(symbol.SectionIndex, symbol.Value, $"{symbol.Name} begins elsewhere");
        }
    }

    private static IEnumerable<Fault> Records(ElfImage annotated, IReadOnlyList<SitePlan> plans, Dictionary<int, CodePair> pairs)
    {
        var written = new HashSet<(string, int, long, long)>();
        var counters = new Dictionary<(int, long), (int, long)>();
        foreach (WrittenRecord record in RecordTable.Read(annotated))
        {
            if (record.Name == RecordNames.SelfTestInObject)
                counters[(record.Section, record.From)] = (record.OtherSection, record.To);
            else
                written.Add((record.Name, record.Section, record.From, record.To));
        }
        foreach (SitePlan plan in plans)
        {
            foreach (PlannedPlace place in plan.Places)
            {
                CodePair pair = pairs[place.Section];
                int start = pair.Map((long)place.Offset);
                if (plan.IsSelftest && (pair.CounterOf(start) is not { } counter || !counters.Remove((pair.New.Index, start), out (int, long) told) || told != counter))
                    yield return new Fault(place.Section, place.Offset, "the record of its counter names another one than the thunk counts");
                foreach (string section in plan.Sections)
                {
                    if (!written.Remove((section, pair.New.Index, start, start + plan.Extent)))
                        yield return new Fault(place.Section, place.Offset, $"no record of {section} brackets the instruction");
                }
            }
        }
        foreach ((string section, _, long from, long to) in written)
            yield return new Fault(0, 0, $"{section} has a record of 0x{from:x} to 0x{to:x} that nobody planned");
    }
}
