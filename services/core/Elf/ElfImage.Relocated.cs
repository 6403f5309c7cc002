using System.Buffers.Binary;

namespace Reheat.Core.Elf;

public sealed partial class ElfImage
{
    private readonly Dictionary<int, byte[]?> _relocated = [];

    /// <summary>
    /// A section's bytes as if the object were linked with every allocated section at its file offset and all others at 0: so
    /// addresses come out as <see cref="ImageAddress"/>, and offsets into debug sections as offsets. A linked image's bytes are
    /// returned as they are, also if it was linked with <c>--emit-relocs</c>.
    /// </summary>
    public ReadOnlySpan<byte> RelocatedBytes(ElfSection section)
    {
        if (!IsRelocatable)
            return section.Bytes;
        lock (_lock)
        {
            if (!_relocated.TryGetValue(section.Index, out byte[]? bytes))
            {
                ReadOnlySpan<ElfRelocation> relocations = RelocationsOf(section);
                int length = section.Bytes.Length;
                if (_copied + length > MostCopied)
                    _bag.Add(DiagnosticId.ElfBadRelocation, section.ToString(), "not relocated: the file's sections overlap");
                else if (!relocations.IsEmpty)
                {
                    _copied += length;
                    Apply(relocations, section, bytes = section.Bytes.ToArray());
                }
                _relocated.Add(section.Index, bytes);
            }
            return bytes is null ? section.Bytes : bytes;
        }
    }

    // Base of a section in the address space that RelocatedBytes links into.
    private static ulong BaseOf(ElfSection section) => section.IsAllocated ? section.Offset : 0;

    private void Apply(ReadOnlySpan<ElfRelocation> relocations, ElfSection section, byte[] bytes)
    {
        uint unknown = 0;
        int unknownCount = 0;
        foreach (ElfRelocation relocation in relocations)
        {
            if (relocation.Type == 0)
                continue;
            if (!ElfRelocationTypes.IsApplied(Machine, relocation.Type))
            {
                unknown = relocation.Type;
                unknownCount++;
                continue;
            }
            int width = ElfRelocationTypes.Width(Machine, relocation.Type);
            if (relocation.Offset > (ulong)bytes.Length || (ulong)bytes.Length - relocation.Offset < (ulong)width)
                continue;
            ulong value = unchecked(ValueOf(relocation.SymbolIndex) + (ulong)relocation.Addend);
            if (ElfRelocationTypes.IsRelative(Machine, relocation.Type))
                value = unchecked(value - BaseOf(section) - relocation.Offset);
            Span<byte> field = bytes.AsSpan((int)relocation.Offset, width);
            switch (width)
            {
                case 1:
                    field[0] = unchecked((byte)value);
                    break;
                case 2:
                    BinaryPrimitives.WriteUInt16LittleEndian(field, unchecked((ushort)value));
                    break;
                case 4:
                    BinaryPrimitives.WriteUInt32LittleEndian(field, unchecked((uint)value));
                    break;
                default:
                    BinaryPrimitives.WriteUInt64LittleEndian(field, value);
                    break;
            }
        }
        if (unknownCount > 0)
        {
            _bag.Add(
                DiagnosticId.ElfBadRelocation, section.ToString(),
                $"{unknownCount} relocations of types that are not applied, such as {ElfRelocationTypes.Name(Machine, unknown)}");
        }
    }

    private ulong ValueOf(int index)
    {
        if (index <= 0 || index >= Symbols.Count)
            return 0;
        ElfSymbol symbol = Symbols[index];
        return symbol.Section is { } section && symbol.Type != ElfSymbolType.ThreadLocal
            ? unchecked(BaseOf(section) + symbol.Value)
            : symbol.IsDefined ? symbol.Value : 0;
    }
}
