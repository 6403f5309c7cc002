using Reheat.Core.Elf;

namespace Reheat.Assembler.Checking;

/// <summary>A record as an object has it: its section's name, and the places that its two words name.</summary>
internal readonly record struct WrittenRecord(string Name, int Section, long From, int OtherSection, long To);

/// <summary>The records of an annotated object.</summary>
internal static class RecordTable
{
    /// <summary>Reads them all, in order.</summary>
    public static List<WrittenRecord> Read(ElfImage annotated)
    {
        var records = new List<WrittenRecord>();
        foreach (ElfSection section in annotated.Sections)
        {
            if (!section.NameStartsWith(".debug_afterburn"u8))
                continue;
            ReadOnlySpan<ElfRelocation> words = annotated.RelocationsOf(section);
            for (int i = 0; i + 1 < words.Length; i += 2)
            {
                (int code, long from) = Place(annotated, words[i]);
                (int other, long to) = Place(annotated, words[i + 1]);
                records.Add(new WrittenRecord(section.Name, code, from, other, to));
            }
        }
        return records;
    }

    private static (int Section, long Offset) Place(ElfImage image, ElfRelocation word) =>
        image.Symbols[word.SymbolIndex] is var symbol ? (symbol.SectionIndex, (long)symbol.Value + word.Addend) : default;
}
