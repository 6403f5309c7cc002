using System.Text;

namespace Reheat.Core.Elf;

public sealed partial class ElfImage
{
    /// <summary>Longest name that is decoded, in bytes; the kernel's own limit is 512.</summary>
    internal const int LongestName = 4096;

    private IReadOnlyDictionary<int, ReadOnlyMemory<byte>>? _stored;
    private Dictionary<int, byte[]>? _inflated;
    private long _copied;

    /// <summary>The first section of that name, or null.</summary>
    public ElfSection? FindSection(string name) => FindSection(Encoding.UTF8.GetBytes(name));

    /// <summary>The first section of that name (UTF-8), or null.</summary>
    public ElfSection? FindSection(ReadOnlySpan<byte> utf8Name)
    {
        foreach (ElfSection section in _sections)
        {
            if (section.NameIs(utf8Name))
                return section;
        }
        return null;
    }

    /// <summary>All sections of that name; a relocatable object may have several.</summary>
    public IEnumerable<ElfSection> FindSections(string name)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(name);
        foreach (ElfSection section in _sections)
        {
            if (section.NameIs(utf8))
                yield return section;
        }
    }

    internal ReadOnlySpan<byte> SectionNameBytes(uint offset) =>
        _nameSection == 0 ? [] : StringBytes(_sections[_nameSection].Bytes, offset);

    internal string DecodeSectionName(uint offset) => Encoding.UTF8.GetString(SectionNameBytes(offset));

    /// <summary>The NUL-terminated string at an offset of a table, without the NUL; empty if outside.</summary>
    internal static ReadOnlySpan<byte> StringBytes(ReadOnlySpan<byte> table, uint offset)
    {
        if (offset >= (uint)table.Length)
            return [];
        ReadOnlySpan<byte> rest = table[(int)offset..];
        if (rest.Length > LongestName)
            rest = rest[..LongestName];
        int end = rest.IndexOf((byte)0);
        return end < 0 ? rest : rest[..end];
    }

    internal bool IsAbsent(ElfSection section) =>
        _stored is not null && !section.IsNoBits && section.Size > 0 && !_stored.ContainsKey(section.Index);

    internal ReadOnlySpan<byte> StoredBytesOf(ElfSection section)
    {
        if (section.IsNoBits)
            return [];
        if (_stored is null)
            return _source.Clip(section.Offset, section.Size);
        if (!_stored.TryGetValue(section.Index, out ReadOnlyMemory<byte> bytes))
            return [];
        return bytes.Span[..(int)Math.Min((ulong)bytes.Length, section.Size)];
    }

    internal ReadOnlySpan<byte> BytesOf(ElfSection section)
    {
        if (!section.IsCompressed)
            return StoredBytesOf(section);
        lock (_lock)
        {
            _inflated ??= [];
            if (!_inflated.TryGetValue(section.Index, out byte[]? bytes))
            {
                // Not by name: the section may be the one that holds the names.
                bytes = CompressedSection.Inflate(StoredBytesOf(section), Is64, $"section [{section.Index}]", MostCopied - _copied, _bag);
                _copied += bytes.Length;
                _inflated.Add(section.Index, bytes);
            }
            return bytes;
        }
    }

    private void CheckSections()
    {
        for (int i = 1; i < _sections.Length; i++)
        {
            ElfSection section = _sections[i];
            if (section.IsNoBits || section.Size == 0)
                continue;
            if (_stored is not null)
            {
                if (_stored.TryGetValue(i, out ReadOnlyMemory<byte> bytes) && (ulong)bytes.Length != section.Size)
                {
                    _bag.Add(
                        DiagnosticId.ElfBadSection, $"section [{i}]",
                        $"{bytes.Length} bytes stored, the header says {section.Size}: the skeleton is of another image");
                }
            }
            else if (!Fits(section.Offset, section.Size))
            {
                _bag.Add(
                    DiagnosticId.ElfTruncated, $"section [{i}]",
                    $"0x{section.Size:x} bytes at 0x{section.Offset:x} reach past the end of the file (0x{_source.Length:x}); cut there");
            }
            else if (section.Size > (ulong)Array.MaxLength)
                _bag.Add(DiagnosticId.ElfBadSection, $"section [{i}]", $"0x{section.Size:x} bytes: cut at 2 GiB");
        }
    }

    // Of everything that is inflated or relocated: sections may overlap, so each being bounded does not bound the sum.
    private long MostCopied => CompressedSection.MostInflated(StoredLength);

    private bool Fits(ulong offset, ulong size) => offset <= (ulong)_source.Length && size <= (ulong)_source.Length - offset;
}
