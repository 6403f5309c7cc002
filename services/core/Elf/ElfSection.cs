namespace Reheat.Core.Elf;

/// <summary>One section header, with access to the contents through its image.</summary>
public sealed class ElfSection
{
    private readonly ElfImage _image;
    private readonly uint _nameOffset;

    internal ElfSection(ElfImage image, int index, in RawSectionHeader raw)
    {
        _image = image;
        _nameOffset = raw.Name;
        Index = index;
        Type = (ElfSectionType)raw.Type;
        Flags = (ElfSectionFlags)raw.Flags;
        Address = raw.Address;
        Offset = raw.Offset;
        Size = raw.Size;
        Link = raw.Link;
        Info = raw.Info;
        Alignment = raw.Alignment;
        EntrySize = raw.EntrySize;
    }

    /// <summary>Position in the section header table.</summary>
    public int Index { get; }

    /// <summary>Name, decoded on first use; empty if its string does not exist.</summary>
    public string Name => field ??= _image.DecodeSectionName(_nameOffset);

    /// <summary><c>sh_type</c>.</summary>
    public ElfSectionType Type { get; }

    /// <summary><c>sh_flags</c>.</summary>
    public ElfSectionFlags Flags { get; }

    /// <summary><c>sh_addr</c>: link-time virtual address, 0 in a relocatable object.</summary>
    public ulong Address { get; }

    /// <summary><c>sh_offset</c>: position in the file, bytes.</summary>
    public ulong Offset { get; }

    /// <summary><c>sh_size</c>: bytes in the file (in memory for NOBITS); unchecked, <see cref="Bytes"/> says what is there.</summary>
    public ulong Size { get; }

    /// <summary><c>sh_link</c>.</summary>
    public uint Link { get; }

    /// <summary><c>sh_info</c>.</summary>
    public uint Info { get; }

    /// <summary><c>sh_addralign</c>.</summary>
    public ulong Alignment { get; }

    /// <summary><c>sh_entsize</c>.</summary>
    public ulong EntrySize { get; }

    /// <summary>Part of a group of sections that a link keeps or throws away as one (COMDAT).</summary>
    public bool IsInGroup => (Flags & ElfSectionFlags.Group) != 0;

    /// <summary>In memory at run time.</summary>
    public bool IsAllocated => (Flags & ElfSectionFlags.Allocated) != 0;

    /// <summary>Allocated machine code.</summary>
    public bool IsExecutable => IsAllocated && (Flags & ElfSectionFlags.Executable) != 0;

    /// <summary>Has no bytes in the file.</summary>
    public bool IsNoBits => Type is ElfSectionType.NoBits or ElfSectionType.Null;

    /// <summary>The contents are stored compressed; <see cref="Bytes"/> inflates them.</summary>
    public bool IsCompressed => (Flags & ElfSectionFlags.Compressed) != 0;

    /// <summary>The image was rebuilt from a skeleton that does not carry this section's bytes.</summary>
    public bool IsAbsent => _image.IsAbsent(this);

    /// <summary>
    /// First byte as an <see cref="ImageAddress"/>: the virtual address in a linked image, the file offset in a relocatable one.
    /// Meaningless for a section that is not allocated in a linked image.
    /// </summary>
    public ImageAddress Start => new(_image.IsRelocatable ? Offset : Address);

    /// <summary>
    /// The contents, inflated if compressed, cut at the end of the file, empty for NOBITS and absent sections. Points into the
    /// image: do not use it after the image is disposed.
    /// </summary>
    public ReadOnlySpan<byte> Bytes => _image.BytesOf(this);

    /// <summary>The bytes as the file has them, compressed or not.</summary>
    public ReadOnlySpan<byte> StoredBytes => _image.StoredBytesOf(this);

    /// <summary>Compares the name without decoding it.</summary>
    public bool NameIs(ReadOnlySpan<byte> utf8) => _image.SectionNameBytes(_nameOffset).SequenceEqual(utf8);

    /// <summary>True if the name begins so, without decoding it.</summary>
    public bool NameStartsWith(ReadOnlySpan<byte> utf8) => _image.SectionNameBytes(_nameOffset).StartsWith(utf8);

    /// <summary>Index and name.</summary>
    public override string ToString() => $"[{Index}] {Name}";
}
