using System.Buffers.Binary;

namespace Reheat.Core.Elf;

/// <summary>The file header's fields (gABI "ELF Header"), widened to 64 bits.</summary>
internal readonly record struct RawFileHeader(
    ushort Type,
    ushort Machine,
    ulong Entry,
    ulong ProgramOffset,
    ulong SectionOffset,
    ushort ProgramEntrySize,
    ushort ProgramCount,
    ushort SectionEntrySize,
    ushort SectionCount,
    ushort NameSection)
{
    public const int Size32 = 52;
    public const int Size64 = 64;

    // Where e_phoff and e_shoff stand, for skeletons.
    public static int ProgramOffsetField(bool is64) => is64 ? 32 : 28;

    public static int SectionOffsetField(bool is64) => is64 ? 40 : 32;

    public static RawFileHeader Read(ReadOnlySpan<byte> b, bool is64)
    {
        ushort U16(ReadOnlySpan<byte> s, int at) => BinaryPrimitives.ReadUInt16LittleEndian(s[at..]);
        uint U32(ReadOnlySpan<byte> s, int at) => BinaryPrimitives.ReadUInt32LittleEndian(s[at..]);
        ulong U64(ReadOnlySpan<byte> s, int at) => BinaryPrimitives.ReadUInt64LittleEndian(s[at..]);
        return is64
            ? new(U16(b, 16), U16(b, 18), U64(b, 24), U64(b, 32), U64(b, 40), U16(b, 54), U16(b, 56), U16(b, 58), U16(b, 60), U16(b, 62))
            : new(U16(b, 16), U16(b, 18), U32(b, 24), U32(b, 28), U32(b, 32), U16(b, 42), U16(b, 44), U16(b, 46), U16(b, 48), U16(b, 50));
    }
}

/// <summary>One section header (gABI "Sections"), widened to 64 bits.</summary>
internal readonly record struct RawSectionHeader(
    uint Name,
    uint Type,
    ulong Flags,
    ulong Address,
    ulong Offset,
    ulong Size,
    uint Link,
    uint Info,
    ulong Alignment,
    ulong EntrySize)
{
    public const int Size32 = 40;
    public const int Size64 = 64;

    public static RawSectionHeader Read(ReadOnlySpan<byte> b, bool is64)
    {
        uint U32(ReadOnlySpan<byte> s, int at) => BinaryPrimitives.ReadUInt32LittleEndian(s[at..]);
        ulong U64(ReadOnlySpan<byte> s, int at) => BinaryPrimitives.ReadUInt64LittleEndian(s[at..]);
        return is64
            ? new(U32(b, 0), U32(b, 4), U64(b, 8), U64(b, 16), U64(b, 24), U64(b, 32), U32(b, 40), U32(b, 44), U64(b, 48), U64(b, 56))
            : new(U32(b, 0), U32(b, 4), U32(b, 8), U32(b, 12), U32(b, 16), U32(b, 20), U32(b, 24), U32(b, 28), U32(b, 32), U32(b, 36));
    }
}
