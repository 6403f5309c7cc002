using System.Buffers.Binary;

namespace Reheat.Core.Elf;

/// <summary>One program header.</summary>
/// <param name="Type"><c>p_type</c>: 1 is PT_LOAD, 4 is PT_NOTE.</param>
/// <param name="Flags"><c>p_flags</c>: 1 execute, 2 write, 4 read.</param>
/// <param name="Offset">Position in the file, bytes.</param>
/// <param name="Address">Link-time virtual address.</param>
/// <param name="FileSize">Bytes in the file.</param>
/// <param name="MemorySize">Bytes in memory.</param>
/// <param name="Alignment"><c>p_align</c>.</param>
public readonly record struct ElfSegment(
    uint Type, uint Flags, ulong Offset, ulong Address, ulong FileSize, ulong MemorySize, ulong Alignment)
{
    internal const int Size32 = 32;
    internal const int Size64 = 56;

    /// <summary>PT_LOAD.</summary>
    public bool IsLoad => Type == 1;

    /// <summary>PT_INTERP: a program that a dynamic linker loads.</summary>
    public bool IsInterpreter => Type == 3;

    /// <summary>PT_NOTE.</summary>
    public bool IsNote => Type == 4;

    /// <summary>PF_X.</summary>
    public bool IsExecutable => (Flags & 1) != 0;

    internal static ElfSegment Read(ReadOnlySpan<byte> b, bool is64)
    {
        uint U32(ReadOnlySpan<byte> s, int at) => BinaryPrimitives.ReadUInt32LittleEndian(s[at..]);
        ulong U64(ReadOnlySpan<byte> s, int at) => BinaryPrimitives.ReadUInt64LittleEndian(s[at..]);
        return is64
            ? new(U32(b, 0), U32(b, 4), U64(b, 8), U64(b, 16), U64(b, 32), U64(b, 40), U64(b, 48))
            : new(U32(b, 0), U32(b, 24), U32(b, 4), U32(b, 8), U32(b, 16), U32(b, 20), U32(b, 28));
    }
}
