using System.Buffers.Binary;

namespace Reheat.Core.Elf;

public sealed partial class ElfImage
{
    private readonly Dictionary<int, ElfRelocation[]> _relocations = [];

    /// <summary>
    /// The relocations that apply to a section, ascending by offset. Empty in images linked without <c>--emit-relocs</c>.
    /// </summary>
    public ReadOnlySpan<ElfRelocation> RelocationsOf(ElfSection target)
    {
        lock (_lock)
        {
            if (!_relocations.TryGetValue(target.Index, out ElfRelocation[]? found))
            {
                var list = new List<ElfRelocation>();
                long budget = StoredLength;
                foreach (int index in RelocationSections.GetValueOrDefault(target.Index, []))
                {
                    budget -= _sections[index].Bytes.Length;
                    if (budget >= 0)
                        Read(_sections[index], target, list);
                    else
                        _bag.Add(DiagnosticId.ElfBadRelocation, target.ToString(), "its relocation sections overlap; left out");
                }
                found = [.. list];
                Array.Sort(found);
                _relocations.Add(target.Index, found);
            }
            return found;
        }
    }

    /// <summary>The relocations of a section with <paramref name="offset"/> ≤ offset &lt; <paramref name="offset"/> + length.</summary>
    public ReadOnlySpan<ElfRelocation> RelocationsOf(ElfSection target, ulong offset, ulong length)
    {
        ReadOnlySpan<ElfRelocation> all = RelocationsOf(target);
        int first = LowerBound(all, offset);
        int last = offset > ulong.MaxValue - length ? all.Length : LowerBound(all, offset + length);
        return all[first..last];
    }

    /// <summary>The entries of one REL or RELA section in file order, whatever it applies to (<c>.rela.dyn</c>).</summary>
    public IReadOnlyList<ElfRelocation> ReadRelocations(ElfSection relocations)
    {
        var list = new List<ElfRelocation>();
        bool hasTarget = relocations.Info > 0 && relocations.Info < (uint)_sections.Length;
        Read(relocations, hasTarget ? _sections[(int)relocations.Info] : null, list);
        return list;
    }

    // By section that is relocated.
    private Dictionary<int, List<int>> RelocationSections
    {
        get
        {
            if (field is not null)
                return field;
            field = [];
            foreach (ElfSection section in _sections)
            {
                if (section.Type is not (ElfSectionType.Rel or ElfSectionType.Rela) || section.Info == 0)
                    continue;
                if (section.Info >= (uint)_sections.Length)
                {
                    if (IsRelocatable)
                        _bag.Add(DiagnosticId.ElfBadRelocation, $"section [{section.Index}]", $"relocates section {section.Info} of {_sections.Length}");
                    continue;
                }
                // In a linked image .rela.plt has the section that it fills in sh_info, with addresses as offsets: not of this kind.
                if (!IsRelocatable && section.IsAllocated)
                    continue;
                if (!field.TryGetValue((int)section.Info, out List<int>? list))
                    field.Add((int)section.Info, list = []);
                list.Add(section.Index);
            }
            return field;
        }
    }

    private long StoredLength => _stored is null ? _source.Length : _stored.Values.Sum(bytes => (long)bytes.Length);

    private void Read(ElfSection section, ElfSection? target, List<ElfRelocation> list)
    {
        bool isRela = section.Type == ElfSectionType.Rela;
        int size = (Is64 ? 16 : 8) + (isRela ? (Is64 ? 8 : 4) : 0);
        ReadOnlySpan<byte> bytes = section.Bytes;
        ReadOnlySpan<byte> content = isRela || target is null ? [] : target.Bytes;
        ElfSymbolTable symbols = section.Link < (uint)_sections.Length && _sections[(int)section.Link].Type == ElfSectionType.DynamicSymbols
            ? DynamicSymbols
            : Symbols;
        int badSymbols = 0, badOffsets = 0;
        list.EnsureCapacity(list.Count + bytes.Length / size);
        for (int at = 0; at <= bytes.Length - size; at += size)
        {
            ReadOnlySpan<byte> entry = bytes.Slice(at, size);
            ulong offset;
            uint type, symbol;
            long addend;
            if (Is64)
            {
                offset = BinaryPrimitives.ReadUInt64LittleEndian(entry);
                type = BinaryPrimitives.ReadUInt32LittleEndian(entry[8..]);
                symbol = BinaryPrimitives.ReadUInt32LittleEndian(entry[12..]);
                addend = isRela ? BinaryPrimitives.ReadInt64LittleEndian(entry[16..]) : 0;
            }
            else
            {
                uint info = BinaryPrimitives.ReadUInt32LittleEndian(entry[4..]);
                offset = BinaryPrimitives.ReadUInt32LittleEndian(entry);
                (type, symbol) = (info & 0xff, info >> 8);
                addend = isRela ? BinaryPrimitives.ReadInt32LittleEndian(entry[8..]) : 0;
            }
            if (symbol >= (uint)Math.Max(symbols.Count, 1))
            {
                badSymbols++;
                symbol = 0;
            }
            if (IsRelocatable && target is not null && offset >= target.Size && !target.IsCompressed)
                badOffsets++;
            if (!isRela)
                addend = ImplicitAddend(content, IsRelocatable || target is null ? offset : unchecked(offset - target.Address), type);
            list.Add(new ElfRelocation(offset, type, (int)symbol, addend));
        }
        if (badSymbols > 0 && symbols.Count > 0)
            _bag.Add(DiagnosticId.ElfBadRelocation, section.ToString(), $"{badSymbols} relocations name symbols beyond the {symbols.Count} there are");
        if (badOffsets > 0)
            _bag.Add(DiagnosticId.ElfBadRelocation, section.ToString(), $"{badOffsets} relocations lie outside of section {target}");
    }

    private long ImplicitAddend(ReadOnlySpan<byte> content, ulong offset, uint type)
    {
        int width = ElfRelocationTypes.Width(Machine, type);
        if (width == 0 || offset > (ulong)content.Length || (ulong)content.Length - offset < (ulong)width)
            return 0;
        ReadOnlySpan<byte> field = content[(int)offset..];
        return width switch
        {
            1 => (sbyte)field[0],
            2 => BinaryPrimitives.ReadInt16LittleEndian(field),
            4 => BinaryPrimitives.ReadInt32LittleEndian(field),
            _ => BinaryPrimitives.ReadInt64LittleEndian(field),
        };
    }

    private static int LowerBound(ReadOnlySpan<ElfRelocation> sorted, ulong offset)
    {
        int low = 0, high = sorted.Length;
        while (low < high)
        {
            int middle = (low + high) >>> 1;
            if (sorted[middle].Offset < offset)
                low = middle + 1;
            else
                high = middle;
        }
        return low;
    }
}
