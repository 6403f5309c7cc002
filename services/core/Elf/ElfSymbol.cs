using System.Buffers.Binary;
using System.Text;

namespace Reheat.Core.Elf;

/// <summary>One symbol, read in place from its table: copying it costs nothing and only <see cref="Name"/> allocates.</summary>
public readonly struct ElfSymbol : IEquatable<ElfSymbol>
{
    private readonly ElfSymbolTable? _table;

    internal ElfSymbol(ElfSymbolTable table, int index)
    {
        _table = table;
        Index = index;
    }

    /// <summary>Position in the table; 0 is the null symbol.</summary>
    public int Index { get; }

    /// <summary>Name, decoded at each call; empty if its string does not exist.</summary>
    public string Name => Encoding.UTF8.GetString(NameBytes);

    /// <summary>Name in UTF-8, in place.</summary>
    public ReadOnlySpan<byte> NameBytes => Table.NameBytes(NameOffset);

    /// <summary><c>st_value</c>: a virtual address, or in a relocatable object an offset in the section.</summary>
    public ulong Value => Table.Is64
        ? BinaryPrimitives.ReadUInt64LittleEndian(Raw[8..])
        : BinaryPrimitives.ReadUInt32LittleEndian(Raw[4..]);

    /// <summary><c>st_size</c>: bytes, 0 if unknown.</summary>
    public ulong Size => Table.Is64
        ? BinaryPrimitives.ReadUInt64LittleEndian(Raw[16..])
        : BinaryPrimitives.ReadUInt32LittleEndian(Raw[8..]);

    /// <summary>What it names.</summary>
    public ElfSymbolType Type => (ElfSymbolType)(Info & 0xf);

    /// <summary>Who sees it.</summary>
    public ElfSymbolBinding Binding => (ElfSymbolBinding)(Info >> 4);

    /// <summary><c>st_other &amp; 3</c>: 0 default, 1 internal, 2 hidden, 3 protected.</summary>
    public int Visibility => Raw[Table.Is64 ? 5 : 13] & 3;

    /// <summary>The raw <c>st_shndx</c>, which may be a reserved value (0xfff1 absolute, 0xfff2 common, 0xffff extended).</summary>
    public ushort RawSectionIndex => BinaryPrimitives.ReadUInt16LittleEndian(Raw[(Table.Is64 ? 6 : 14)..]);

    /// <summary>Index of the section it is defined in; 0 if undefined, absolute, common or in a section that does not exist.</summary>
    public int SectionIndex => Table.SectionOf(Index, RawSectionIndex);

    /// <summary>The section it is defined in, or null.</summary>
    public ElfSection? Section => SectionIndex is var index and not 0 ? Table.Image.Sections[index] : null;

    /// <summary>Defined somewhere: in a section, absolutely, or common.</summary>
    public bool IsDefined => RawSectionIndex != 0;

    /// <summary>STB_LOCAL.</summary>
    public bool IsLocal => Binding == ElfSymbolBinding.Local;

    /// <summary>
    /// Where it is: the virtual address in a linked image, the file offset in a relocatable one. Null if it is in no section.
    /// </summary>
    public ImageAddress? Address
    {
        get
        {
            if (!Table.Image.IsRelocatable)
                return IsDefined ? new ImageAddress(Value) : null;
            return Section is { } section ? new ImageAddress(unchecked(section.Offset + Value)) : null;
        }
    }

    /// <summary>
    /// The file symbol (STT_FILE) that a local symbol stands under, or null. Looked up once per table, then kept.
    /// </summary>
    public string? FileName => Table.FileNameOf(Index);

    internal uint NameOffset => BinaryPrimitives.ReadUInt32LittleEndian(Raw);

    private ElfSymbolTable Table => _table ?? throw new InvalidOperationException("a default ElfSymbol names no symbol");

    private byte Info => Raw[Table.Is64 ? 4 : 12];

    private ReadOnlySpan<byte> Raw => Table.Raw(Index);

    /// <summary>Same table, same index.</summary>
    public static bool operator ==(ElfSymbol left, ElfSymbol right) => left.Equals(right);

    /// <summary>Another table or index.</summary>
    public static bool operator !=(ElfSymbol left, ElfSymbol right) => !left.Equals(right);

    /// <inheritdoc/>
    public bool Equals(ElfSymbol other) => ReferenceEquals(_table, other._table) && Index == other.Index;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is ElfSymbol other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => Index;

    /// <summary>Index and name.</summary>
    public override string ToString() => _table is null ? "" : $"{Index} {Name}";
}
