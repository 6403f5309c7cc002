using System.Diagnostics.CodeAnalysis;

namespace Reheat.Core.Elf;

public sealed partial class ElfImage
{
    // gABI: counts and indices that do not fit into the file header stand in section header 0.
    private const ushort ExtendedIndex = 0xffff;

    private ElfSection[] _sections = [];
    private ElfSegment[] _segments = [];
    private int _nameSection;

    /// <summary>All sections by index; the first is the null section. Empty if the file has no section headers.</summary>
    public IReadOnlyList<ElfSection> Sections => _sections;

    /// <summary>All program headers.</summary>
    public IReadOnlyList<ElfSegment> Segments => _segments;

    private static bool TryParse(
        ByteSource source,
        DiagnosticBag bag,
        IReadOnlyDictionary<int, ReadOnlyMemory<byte>>? stored,
        [NotNullWhen(true)] out ElfImage? image,
        out IReadOnlyList<Diagnostic> diagnostics)
    {
        image = null;
        if (TryReadFileHeader(source, bag, out bool is64, out RawFileHeader header))
        {
            image = new ElfImage(source, bag, is64, header) { _stored = stored };
            image.ReadSections(header);
            image.ReadSegments(header);
        }
        else
            source.Dispose();
        diagnostics = bag.Snapshot();
        return image is not null;
    }

    private static bool TryReadFileHeader(ByteSource source, DiagnosticBag bag, out bool is64, out RawFileHeader header)
    {
        is64 = false;
        header = default;
        ReadOnlySpan<byte> bytes = source.Clip(0, RawFileHeader.Size64);
        if (bytes.Length < 16 || !bytes.StartsWith("\x7f"u8) || !bytes[1..].StartsWith("ELF"u8))
        {
            string start = Convert.ToHexStringLower(bytes[..Math.Min(bytes.Length, 4)]);
            bag.Add(DiagnosticId.ElfNotElf, "", $"no ELF object: {source.Length} bytes, beginning with '{start}'");
            return false;
        }
        if (bytes[4] is not (1 or 2) || bytes[5] != 1)
        {
            bag.Add(
                DiagnosticId.ElfBadHeader, "e_ident",
                $"class {bytes[4]}, byte order {bytes[5]}: only class 1 or 2, byte order 1 (little endian) is supported");
            return false;
        }
        is64 = bytes[4] == 2;
        int size = is64 ? RawFileHeader.Size64 : RawFileHeader.Size32;
        if (bytes.Length < size)
        {
            bag.Add(DiagnosticId.ElfTruncated, "", $"{source.Length} bytes: the file header alone has {size}");
            return false;
        }
        header = RawFileHeader.Read(bytes, is64);
        if (header.Machine is not ((ushort)ElfMachine.I386 or (ushort)ElfMachine.X64))
        {
            bag.Add(DiagnosticId.ElfUnsupportedMachine, "e_machine", $"machine {header.Machine}: expected 62 (x86-64) or 3 (i386)");
            return false;
        }
        if (header.Type is not (>= (ushort)ElfType.Relocatable and <= (ushort)ElfType.Shared))
        {
            bag.Add(
                DiagnosticId.ElfBadHeader, "e_type", $"type {header.Type}: expected 1 (relocatable), 2 (executable) or 3 (shared)");
            return false;
        }
        return true;
    }

    private void ReadSections(in RawFileHeader header)
    {
        if (header.SectionOffset == 0)
            return;
        int size = Is64 ? RawSectionHeader.Size64 : RawSectionHeader.Size32;
        if (header.SectionEntrySize < size)
        {
            _bag.Add(DiagnosticId.ElfBadHeader, "e_shentsize", $"{header.SectionEntrySize} bytes: a section header has {size}");
            return;
        }
        ReadOnlySpan<byte> first = _source.Clip(header.SectionOffset, (ulong)size);
        if (first.Length < size)
        {
            _bag.Add(
                DiagnosticId.ElfTruncated, "e_shoff",
                $"section headers at 0x{header.SectionOffset:x}, past the end of the file (0x{_source.Length:x})");
            return;
        }

        RawSectionHeader zero = RawSectionHeader.Read(first, Is64);
        ulong count = header.SectionCount == 0 ? zero.Size : header.SectionCount;
        ulong most = ((ulong)_source.Length - header.SectionOffset) / header.SectionEntrySize;
        if (count > most)
        {
            _bag.Add(DiagnosticId.ElfTruncated, "e_shnum", $"{count} section headers, but the file ends after {most}");
            count = most;
        }
        _sections = new ElfSection[count];
        for (int i = 0; i < _sections.Length; i++)
        {
            ulong at = header.SectionOffset + (ulong)i * header.SectionEntrySize;
            _sections[i] = new ElfSection(this, i, RawSectionHeader.Read(_source.Clip(at, (ulong)size), Is64));
        }

        uint names = header.NameSection == ExtendedIndex ? zero.Link : header.NameSection;
        if (names < (uint)_sections.Length)
            _nameSection = (int)names;
        else
            _bag.Add(DiagnosticId.ElfBadHeader, "e_shstrndx", $"section {names} of {_sections.Length} holds the names");
        CheckSections();
    }

    private void ReadSegments(in RawFileHeader header)
    {
        int size = Is64 ? ElfSegment.Size64 : ElfSegment.Size32;
        ulong count = header.ProgramCount == ExtendedIndex && _sections.Length > 0 ? _sections[0].Info : header.ProgramCount;
        if (count == 0)
            return;
        if (header.ProgramEntrySize < size)
        {
            _bag.Add(DiagnosticId.ElfBadHeader, "e_phentsize", $"{header.ProgramEntrySize} bytes: a program header has {size}");
            return;
        }
        ulong length = (ulong)_source.Length;
        ulong most = header.ProgramOffset >= length ? 0 : (length - header.ProgramOffset) / header.ProgramEntrySize;
        if (count > most)
        {
            _bag.Add(DiagnosticId.ElfTruncated, "e_phnum", $"{count} program headers, but the file ends after {most}");
            count = most;
        }
        _segments = new ElfSegment[count];
        for (int i = 0; i < _segments.Length; i++)
        {
            ulong at = header.ProgramOffset + (ulong)i * header.ProgramEntrySize;
            _segments[i] = ElfSegment.Read(_source.Clip(at, (ulong)size), Is64);
        }
    }
}
