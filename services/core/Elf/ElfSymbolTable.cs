using System.Buffers.Binary;
using System.Collections;

namespace Reheat.Core.Elf;

/// <summary>A symbol table, <c>.symtab</c> or <c>.dynsym</c>, read in place.</summary>
public sealed class ElfSymbolTable : IReadOnlyList<ElfSymbol>
{
    private const ushort Extended = 0xffff;
    private const ushort FirstReserved = 0xff00;

    private readonly ElfSection? _section;
    private readonly ElfSection? _strings;
    private readonly ElfSection? _extended;
    private readonly Lazy<SymbolNameIndex> _names;
    private readonly Lazy<FileSymbol[]> _files;

    internal ElfSymbolTable(ElfImage image, ElfSection? section)
    {
        Image = image;
        _section = section;
        _names = new(() => new SymbolNameIndex(this));
        _files = new(ReadFiles);
        if (section is null)
            return;
        EntrySize = Is64 ? 24 : 16;
        Count = section.Bytes.Length / EntrySize;
        if (section.Size % (ulong)EntrySize != 0 || (section.EntrySize != 0 && section.EntrySize != (ulong)EntrySize))
        {
            image.Bag.Add(
                DiagnosticId.ElfBadSection, section.ToString(),
                $"symbol table of 0x{section.Size:x} bytes, entries of {section.EntrySize}: a symbol has {EntrySize}");
        }
        _strings = LinkedStrings(image, section);
        foreach (ElfSection candidate in image.Sections)
        {
            if (candidate.Type == ElfSectionType.ExtendedIndices && candidate.Link == (uint)section.Index)
                _extended = candidate;
        }
    }

    /// <summary>Number of symbols, the null symbol included.</summary>
    public int Count { get; }

    internal ElfImage Image { get; }

    internal bool Is64 => Image.Is64;

    private int EntrySize { get; }

    /// <summary>The symbol at <paramref name="index"/>.</summary>
    public ElfSymbol this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            return new ElfSymbol(this, index);
        }
    }

    /// <summary>
    /// The defined symbol of that name: global before weak before local, then the first. False if none is defined.
    /// </summary>
    public bool TryFind(string name, out ElfSymbol symbol)
    {
        symbol = default;
        int best = int.MaxValue;
        foreach (ElfSymbol candidate in FindAll(name))
        {
            int rank = candidate.Binding switch
            {
                ElfSymbolBinding.Local => 2,
                ElfSymbolBinding.Weak => 1,
                _ => 0,
            };
            if (candidate.IsDefined && rank < best)
                (symbol, best) = (candidate, rank);
        }
        return best != int.MaxValue;
    }

    /// <summary>All symbols of that name, in table order.</summary>
    public IReadOnlyList<ElfSymbol> FindAll(string name) => _names.Value.Find(name);

    /// <inheritdoc/>
    public IEnumerator<ElfSymbol> GetEnumerator()
    {
        for (int i = 0; i < Count; i++)
            yield return new ElfSymbol(this, i);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    internal ReadOnlySpan<byte> Raw(int index) => _section!.Bytes.Slice(index * EntrySize, EntrySize);

    internal ReadOnlySpan<byte> NameBytes(uint offset) => _strings is null ? [] : ElfImage.StringBytes(_strings.Bytes, offset);

    internal int SectionOf(int symbol, ushort raw)
    {
        uint index = raw;
        if (raw == Extended)
        {
            ReadOnlySpan<byte> table = _extended is null ? [] : _extended.Bytes;
            index = (long)symbol * 4 + 4 <= table.Length ? BinaryPrimitives.ReadUInt32LittleEndian(table[(symbol * 4)..]) : 0;
        }
        else if (raw >= FirstReserved)
            return 0;
        return index < (uint)Image.Sections.Count ? (int)index : 0;
    }

    internal string? FileNameOf(int index)
    {
        FileSymbol[] files = _files.Value;
        int found = Array.BinarySearch(files, new FileSymbol(index, null));
        if (found < 0)
            found = ~found - 1;
        return found >= 0 && new ElfSymbol(this, index).IsLocal ? files[found].Name : null;
    }

    private static ElfSection? LinkedStrings(ElfImage image, ElfSection section)
    {
        if (section.Link < (uint)image.Sections.Count && image.Sections[(int)section.Link] is { Type: ElfSectionType.StringTable } strings)
            return strings;
        image.Bag.Add(
            DiagnosticId.ElfBadSection, section.ToString(), $"sh_link {section.Link} is no string table: its symbols have no names");
        return null;
    }

    private FileSymbol[] ReadFiles()
    {
        var files = new List<FileSymbol>();
        foreach (ElfSymbol symbol in this)
        {
            // The linker closes the files' symbols with a file symbol without name; its own local symbols follow.
            if (symbol.Type == ElfSymbolType.File)
                files.Add(new FileSymbol(symbol.Index, symbol.NameBytes.IsEmpty ? null : symbol.Name));
        }
        return [.. files];
    }

    private readonly record struct FileSymbol(int Index, string? Name) : IComparable<FileSymbol>
    {
        public int CompareTo(FileSymbol other) => Index.CompareTo(other.Index);
    }
}
