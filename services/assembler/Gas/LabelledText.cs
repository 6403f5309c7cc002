using System.Buffers.Binary;
using Reheat.Core.Elf;

namespace Reheat.Assembler.Gas;

/// <summary>Where a statement's code is.</summary>
/// <param name="Statement">Index in <see cref="SourceScan.Statements"/>.</param>
/// <param name="Instance">Which use of its macro; 0 outside of macros.</param>
internal readonly record struct StatementPlace(int Statement, int Instance);

/// <summary>
/// The text with a label before each instruction, and, read back from the object that gas makes of it, the instruction of each address. The
/// assembler itself says what stands where; nothing is concluded from lengths of instructions.
/// </summary>
internal sealed class LabelledText
{
    private const string TableSection = ".reheat_table";
    private const string MacroSection = ".reheat_macros";

    /// <summary>What the names of the sections begin with that this adds to the object.</summary>
    public static ReadOnlySpan<byte> Sections => ".reheat_"u8;

    private readonly Dictionary<(int Section, ulong Offset), StatementPlace> _places = [];
    private readonly Dictionary<int, int> _instances = [];

    /// <summary>The statement whose code begins there, if one does.</summary>
    public bool TryFind(int section, ulong offset, out StatementPlace place) => _places.TryGetValue((section, offset), out place);

    /// <summary>All places, in no order.</summary>
    public IEnumerable<KeyValuePair<(int Section, ulong Offset), StatementPlace>> Places => _places;

    /// <summary>How often a statement's code stands in the object: for a macro's body more than once, perhaps.</summary>
    public int Instances(int statement) => _instances.GetValueOrDefault(statement);

    /// <summary>The text with labels.</summary>
    /// <param name="text">The source.</param>
    /// <param name="scan">Its statements.</param>
    /// <param name="prefix">What no symbol of the text begins with.</param>
    /// <param name="bitness">32 or 64.</param>
    /// <param name="whole">True to keep debug information and leave macros alone: for a text that does not assemble otherwise.</param>
    public static ReadOnlySpan<byte> Write(byte[] text, SourceScan scan, string prefix, int bitness, bool whole)
    {
        var output = new TextWriter(text.Length + scan.Statements.Count * 32);
        int at = 0, debug = 0;
        string word = bitness == 64 ? ".quad" : ".long";
        for (int i = 0; i <= scan.Statements.Count; i++)
        {
            int next = i < scan.Statements.Count ? scan.Statements[i].Start : text.Length;
            for (; !whole && debug < scan.DebugText.Count && scan.DebugText[debug].Start < next; debug++)
            {
                output.Append(text.AsSpan(at, scan.DebugText[debug].Start - at));
                at = scan.DebugText[debug].End;
            }
            output.Append(text.AsSpan(at, next - at));
            at = next;
            if (i == scan.Statements.Count)
                break;
            if (!scan.Statements[i].IsInMacro)
                output.Label(prefix, i);
            else if (!whole)
                output.Append($"{prefix}{i}_\\@: .pushsection {MacroSection},\"\",@progbits; {word} {i}, \\@, {prefix}{i}_\\@; .popsection; ");
        }
        output.Append($"\n.section {TableSection},\"\",@progbits\n");
        for (int i = 0; i < scan.Statements.Count; i++)
        {
            if (!scan.Statements[i].IsInMacro)
                output.Reference(word, prefix, i);
        }
        return output.Written;
    }

    /// <summary>Reads the places out of the object.</summary>
    public static LabelledText Read(ElfImage elf, SourceScan scan)
    {
        var result = new LabelledText();
        var plain = new List<int>(scan.Statements.Count);
        for (int i = 0; i < scan.Statements.Count; i++)
        {
            if (!scan.Statements[i].IsInMacro)
                plain.Add(i);
        }
        ulong size = (ulong)elf.AddressSize;
        if (elf.FindSection(TableSection) is { } table)
        {
            foreach (ElfRelocation relocation in elf.RelocationsOf(table))
                result.Add(elf, relocation, new StatementPlace(plain[(int)(relocation.Offset / size)], 0));
        }
        if (elf.FindSection(MacroSection) is { } macros)
        {
            ReadOnlySpan<byte> bytes = macros.Bytes;
            foreach (ElfRelocation relocation in elf.RelocationsOf(macros))
            {
                int entry = (int)(relocation.Offset - size * 2);
                result.Add(elf, relocation, new StatementPlace(
                    BinaryPrimitives.ReadInt32LittleEndian(bytes[entry..]), BinaryPrimitives.ReadInt32LittleEndian(bytes[(entry + (int)size)..])));
            }
        }
        return result;
    }

    // Of statements at one address the later: those before it made no code. In a branch of .if that was not taken a label is undefined.
    private void Add(ElfImage elf, ElfRelocation relocation, StatementPlace place)
    {
        ElfSymbol symbol = elf.Symbols[relocation.SymbolIndex];
        if (symbol.SectionIndex == 0)
            return;
        var key = (symbol.SectionIndex, unchecked(symbol.Value + (ulong)relocation.Addend));
        if (_places.TryGetValue(key, out StatementPlace other) && other.Statement > place.Statement)
            return;
        _places[key] = place;
        _instances[place.Statement] = _instances.GetValueOrDefault(place.Statement) + 1;
    }
}
