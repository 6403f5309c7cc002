using System.Buffers.Binary;
using System.Text;
using Reheat.Core.X86;

namespace Reheat.Core.Tests.X86;

/// <summary>
/// The least of an ELF reader that fingerprints need, for well-formed files of the machine's own tools. The product's reader is
/// Reheat.Core.Elf; this one keeps these tests independent of it.
/// </summary>
internal sealed class TestElf
{
    private sealed record Section(string Name, uint Type, ulong Address, int Offset, int Size, int Link, int Info);

    private sealed record Symbol(string Name, ulong Value, ulong Size, int Type, int Section);

    private readonly record struct Relocation(ulong Offset, uint Type, Symbol Symbol, long Addend);

    private readonly byte[] _file;
    private readonly bool _is64;
    private readonly bool _relocatable;
    private readonly List<Section> _sections = [];
    private readonly List<Symbol> _symbols = [];
    private readonly ILookup<int, Symbol> _functions;
    private readonly ILookup<ulong, Symbol> _labels;
    private readonly Symbol[] _byAddress;

    public TestElf(byte[] file)
    {
        _file = file;
        _is64 = file[4] == 2;
        _relocatable = U16(16) == 1;
        int table = (int)(_is64 ? U64(40) : U32(32));
        int size = _is64 ? 64 : 40;
        int count = U16(_is64 ? 60 : 48);
        int names = U16(_is64 ? 62 : 50);
        var raw = Enumerable.Range(0, count).Select(i => ReadSection(table + i * size)).ToList();
        foreach (Section section in raw)
            _sections.Add(section with { Name = Text(raw[names].Offset + int.Parse(section.Name, null)) });
        foreach (Section section in _sections.Where(s => s.Type == 2))
            ReadSymbols(section);
        _functions = _symbols.Where(s => s is { Type: 2, Size: > 0 } && s.Section is > 0 and < 0xff00).ToLookup(s => s.Section);
        _labels = _symbols.Where(s => s is { Type: 0 or 2 or 10, Section: > 0 and < 0xff00, Name.Length: > 0 }).ToLookup(s => s.Value);
        _byAddress = [.. _functions.SelectMany(g => g).OrderBy(s => s.Value)];
    }

    public int Bitness => _is64 ? 64 : 32;

    /// <summary>All functions, one for each name and section; jump labels are read from __jump_table.</summary>
    public IEnumerable<FunctionBytes> Functions()
    {
        HashSet<(int Section, ulong Address)> labels = JumpLabels();
        foreach (IGrouping<int, Symbol> group in _functions)
        {
            Section section = _sections[group.Key];
            if (section.Type != 1)
                continue;
            List<Relocation> relocations = Relocations(group.Key);
            foreach (Symbol function in group.DistinctBy(f => (f.Name, f.Value)))
            {
                int offset = section.Offset + (int)(function.Value - section.Address);
                yield return new FunctionBytes
                {
                    Name = function.Name,
                    Code = _file.AsMemory(offset, (int)function.Size),
                    Address = function.Value,
                    Bitness = Bitness,
                    References = [.. relocations.Where(r => r.Offset - function.Value < function.Size).Select(r => Reference(r, function, group.Key))],
                    Patched = [.. labels.Where(l => l.Section == group.Key && l.Address - function.Value < function.Size)
                        .Select(l => new PatchedRange((int)(l.Address - function.Value), 1, PatchKind.JumpLabel))],
                    NameOf = address => NameOf(_relocatable ? group.Key : null, address),
                };
            }
        }
    }

    /// <summary>Executable sections: name, address, bytes.</summary>
    public IEnumerable<(string Name, ulong Address, ReadOnlyMemory<byte> Bytes)> Text() => _sections
        .Where(s => s.Type == 1 && s.Name.StartsWith(".text", StringComparison.Ordinal))
        .Select(s => (s.Name, s.Address, new ReadOnlyMemory<byte>(_file, s.Offset, s.Size)));

    private CodeReference Reference(Relocation relocation, Symbol function, int section)
    {
        Symbol symbol = relocation.Symbol;
        bool relative = _is64 ? relocation.Type is 2 or 4 or 9 or 41 or 42 : relocation.Type is 2 or 4;
        ulong target = symbol.Value + (ulong)relocation.Addend + (relative ? 4u : 0u);
        if (symbol.Section == 0)
            return new((int)(relocation.Offset - function.Value), symbol.Name);
        return new((int)(relocation.Offset - function.Value), NameOf(symbol.Section, target), symbol.Section == section ? target : null);
    }

    // A symbol that begins there names it best: retpolines are labels inside one array function. Else the function around it.
    private string? NameOf(int? section, ulong address)
    {
        if (SymbolChoice.Preferred(_labels[address].Where(s => section is null || s.Section == section).Select(s => s.Name)) is { } exact)
            return exact;
        Symbol[] all = _byAddress;
        int low = 0, high = all.Length;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (all[middle].Value <= address)
                low = middle + 1;
            else
                high = middle;
        }
        for (int i = low - 1; i >= 0 && i >= low - 64; i--)
        {
            if (address - all[i].Value < all[i].Size && (section is null || all[i].Section == section))
                return SymbolChoice.Preferred(_labels[all[i].Value].Where(s => s.Type == 2 && s.Section == all[i].Section).Select(s => s.Name));
        }
        return null;
    }

    private ulong? Value(string name) => _symbols.FirstOrDefault(s => s.Name == name && s.Section != 0)?.Value;

    // struct jump_entry of the emulation: two 32-bit offsets relative to their own places, as in the kernel; then 8 bytes of key.
    private HashSet<(int Section, ulong Address)> JumpLabels()
    {
        var labels = new HashSet<(int, ulong)>();
        if (!_relocatable)
        {
            // The kernel keeps the table inside .rodata, between two symbols.
            Section? section = _sections.Find(s => s.Name == "__jump_table");
            ulong start = section?.Address ?? Value("__start___jump_table") ?? 0;
            ulong stop = section is null ? Value("__stop___jump_table") ?? 0 : start + (ulong)section.Size;
            if (start == stop)
                return labels;
            section ??= _sections.Single(s => s.Address != 0 && s.Type == 1 && start - s.Address < (ulong)s.Size);
            for (ulong place = start; place < stop; place += 16)
            {
                ulong address = place + (ulong)(int)U32(section.Offset + (int)(place - section.Address));
                labels.Add((_sections.FindIndex(s => s.Address != 0 && address - s.Address < (ulong)s.Size), address));
            }
            return labels;
        }
        for (int i = 0; i < _sections.Count; i++)
        {
            if (_sections[i].Name != "__jump_table")
                continue;
            foreach (Relocation code in Relocations(i).Where(r => r.Offset % 16 == 0))
                labels.Add((code.Symbol.Section, code.Symbol.Value + (ulong)code.Addend));
        }
        return labels;
    }

    private List<Relocation> Relocations(int target)
    {
        var result = new List<Relocation>();
        foreach (Section section in _sections.Where(s => s.Type is 4 or 9 && s.Info == target && _relocatable))
        {
            int size = (_is64, section.Type) switch { (true, 4) => 24, (true, _) => 16, (false, 4) => 12, _ => 8 };
            for (int at = section.Offset; at < section.Offset + section.Size; at += size)
            {
                ulong offset = _is64 ? U64(at) : U32(at);
                ulong info = _is64 ? U64(at + 8) : U32(at + 4);
                long addend = (_is64, section.Type) switch
                {
                    (true, 4) => (long)U64(at + 16),
                    _ => (int)U32(_sections[target].Offset + (int)offset),
                };
                result.Add(new(offset, (uint)(_is64 ? info & 0xffffffff : info & 0xff), _symbols[(int)(_is64 ? info >> 32 : info >> 8)], addend));
            }
        }
        return result;
    }

    private Section ReadSection(int at) => _is64
        ? new(U32(at).ToString(null, null), U32(at + 4), U64(at + 16), (int)U64(at + 24), (int)U64(at + 32), (int)U32(at + 40), (int)U32(at + 44))
        : new(U32(at).ToString(null, null), U32(at + 4), U32(at + 12), (int)U32(at + 16), (int)U32(at + 20), (int)U32(at + 24), (int)U32(at + 28));

    private void ReadSymbols(Section table)
    {
        int size = _is64 ? 24 : 16;
        int strings = _sections[table.Link].Offset;
        for (int at = table.Offset; at < table.Offset + table.Size; at += size)
        {
            string name = Text(strings + (int)U32(at));
            _symbols.Add(_is64
                ? new(name, U64(at + 8), U64(at + 16), _file[at + 4] & 15, U16(at + 6))
                : new(name, U32(at + 4), U32(at + 8), _file[at + 12] & 15, U16(at + 14)));
        }
    }

    private string Text(int at) => Encoding.UTF8.GetString(_file.AsSpan(at, _file.AsSpan(at).IndexOf((byte)0)));

    private ushort U16(int at) => BinaryPrimitives.ReadUInt16LittleEndian(_file.AsSpan(at));

    private uint U32(int at) => BinaryPrimitives.ReadUInt32LittleEndian(_file.AsSpan(at));

    private ulong U64(int at) => BinaryPrimitives.ReadUInt64LittleEndian(_file.AsSpan(at));
}
