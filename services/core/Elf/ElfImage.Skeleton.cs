using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace Reheat.Core.Elf;

public sealed partial class ElfImage
{
    /// <summary>
    /// Takes out what resolving needs: executable sections, symbol and string tables, notes and the tables of places patched at
    /// run time; or the sections that <paramref name="select"/> picks. Copies, so the result may outlive the image.
    /// </summary>
    public ElfSkeleton ToSkeleton(Func<ElfSection, bool>? select = null)
    {
        select ??= IsNeededToResolve;
        var sections = new SortedDictionary<int, ReadOnlyMemory<byte>>();
        foreach (ElfSection section in _sections)
        {
            // What the file has only a part of counts as absent.
            ReadOnlySpan<byte> bytes = section.StoredBytes;
            if (!bytes.IsEmpty && (ulong)bytes.Length == section.Size && (section.Index == _nameSection || select(section)))
                sections.Add(section.Index, bytes.ToArray());
        }
        return new ElfSkeleton(SkeletonHeader(), sections);
    }

    /// <summary>
    /// An image from a skeleton: the same addresses, symbols and functions as the original's; sections that the skeleton does not
    /// carry are <see cref="ElfSection.IsAbsent"/> and have no bytes. False if the header is no skeleton's.
    /// </summary>
    public static bool TryFromSkeleton(
        ElfSkeleton skeleton, string name, [NotNullWhen(true)] out ElfImage? image, out IReadOnlyList<Diagnostic> diagnostics) =>
        TryParse(new ByteSource(skeleton.Header), new DiagnosticBag(name), skeleton.Sections, out image, out diagnostics);

    /// <summary>The choice of <see cref="ToSkeleton"/>.</summary>
    public bool IsNeededToResolve(ElfSection section)
    {
        if (section.IsExecutable || section.Type is ElfSectionType.SymbolTable or ElfSectionType.DynamicSymbols
            or ElfSectionType.ExtendedIndices or ElfSectionType.StringTable or ElfSectionType.Note)
            return true;
        if (section.IsAllocated)
            return PatchTables.IsTable(section);
        // In a module, code and tables mean something only together with their relocations.
        return IsRelocatable && section.Type is ElfSectionType.Rel or ElfSectionType.Rela
            && section.Info < (uint)_sections.Length && _sections[(int)section.Info] is var target
            && (target.IsExecutable || PatchTables.IsTable(target));
    }

    // File header, program headers and section headers end to end, with the two offsets set accordingly.
    private byte[] SkeletonHeader()
    {
        int size = Is64 ? RawFileHeader.Size64 : RawFileHeader.Size32;
        RawFileHeader header = RawFileHeader.Read(_source.Clip(0, (ulong)size), Is64);
        ReadOnlySpan<byte> segments = _source.Clip(header.ProgramOffset, (ulong)_segments.Length * header.ProgramEntrySize);
        ReadOnlySpan<byte> sections = _source.Clip(header.SectionOffset, (ulong)_sections.Length * header.SectionEntrySize);
        byte[] bytes = [.. _source.Clip(0, (ulong)size), .. segments, .. sections];
        Write(RawFileHeader.ProgramOffsetField(Is64), segments.IsEmpty ? 0 : size);
        Write(RawFileHeader.SectionOffsetField(Is64), sections.IsEmpty ? 0 : size + segments.Length);
        return bytes;

        void Write(int field, int value)
        {
            if (Is64)
                BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(field), (ulong)value);
            else
                BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(field), (uint)value);
        }
    }
}
