using System.Diagnostics.CodeAnalysis;

namespace Reheat.Core.Elf;

/// <summary>
/// An ELF object, x86-64 or i386, linked or relocatable, read without copying: headers at once, everything else on first use.
/// </summary>
/// <remarks>
/// Whatever the bytes are, nothing here throws because of them and no allocation is larger than the file justifies: what is wrong is
/// in <see cref="Diagnostics"/>. Safe for use by several threads, except that no span or lookup may outlive <see cref="Dispose"/>.
/// A file that is overwritten in place while it is open (not replaced, as linkers and package managers do) may crash the process
/// when it is larger than 4 MiB, because such files are mapped.
/// </remarks>
public sealed partial class ElfImage : IDisposable
{
    private readonly ByteSource _source;
    private readonly DiagnosticBag _bag;
    private readonly Lock _lock = new();

    private ElfImage(ByteSource source, DiagnosticBag bag, bool is64, in RawFileHeader header)
    {
        _source = source;
        _bag = bag;
        Class = is64 ? ElfClass.Elf64 : ElfClass.Elf32;
        Type = (ElfType)header.Type;
        Machine = (ElfMachine)header.Machine;
        Entry = header.Entry;
    }

    /// <summary>What the caller called the file; the place in diagnostics.</summary>
    public string Name => _bag.File;

    /// <summary>Bytes of the file; of the skeleton for a rebuilt image.</summary>
    public long Length => _source.Length;

    /// <summary>Width of addresses.</summary>
    public ElfClass Class { get; }

    /// <summary>True for 64-bit headers.</summary>
    public bool Is64 => Class == ElfClass.Elf64;

    /// <summary>Bytes of an address: 8 or 4.</summary>
    public int AddressSize => Is64 ? 8 : 4;

    /// <summary>Relocatable, executable or shared.</summary>
    public ElfType Type { get; }

    /// <summary>True for an object file or module: addresses are file offsets.</summary>
    public bool IsRelocatable => Type == ElfType.Relocatable;

    /// <summary>Instruction set.</summary>
    public ElfMachine Machine { get; }

    /// <summary><c>e_entry</c>, a virtual address.</summary>
    public ulong Entry { get; }

    /// <summary>True for an image made from a skeleton: sections may be absent.</summary>
    public bool IsRebuilt => _stored is not null;

    /// <summary>Everything found wrong so far; grows as lazily read parts are read.</summary>
    public IReadOnlyList<Diagnostic> Diagnostics => _bag.Snapshot();

    internal DiagnosticBag Bag => _bag;

    /// <summary>
    /// Opens a file. False if nothing can be read from it; the reason is then in <paramref name="diagnostics"/>. A partly broken file
    /// opens, with diagnostics.
    /// </summary>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="UnauthorizedAccessException">No permission, or a directory.</exception>
    public static bool TryOpen(string path, [NotNullWhen(true)] out ElfImage? image, out IReadOnlyList<Diagnostic> diagnostics) =>
        TryParse(ByteSource.Open(path), new DiagnosticBag(path), stored: null, out image, out diagnostics);

    /// <summary>Reads an object from memory, which must not change while the image is in use; see <see cref="TryOpen"/>.</summary>
    public static bool TryFromBytes(
        ReadOnlyMemory<byte> bytes, string name, [NotNullWhen(true)] out ElfImage? image, out IReadOnlyList<Diagnostic> diagnostics) =>
        TryParse(new ByteSource(bytes), new DiagnosticBag(name), stored: null, out image, out diagnostics);

    /// <summary>Opens a file that must be a readable ELF object, as one that a user named on a command line.</summary>
    /// <exception cref="InvalidDataException">It is none; the message is the diagnostic.</exception>
    public static ElfImage Open(string path) =>
        TryOpen(path, out ElfImage? image, out IReadOnlyList<Diagnostic> diagnostics)
            ? image
            : throw new InvalidDataException(diagnostics[0].ToString());

    /// <summary>Reads an object from memory that must be readable; see <see cref="Open"/>.</summary>
    /// <exception cref="InvalidDataException">It is no ELF object; the message is the diagnostic.</exception>
    public static ElfImage FromBytes(ReadOnlyMemory<byte> bytes, string name) =>
        TryFromBytes(bytes, name, out ElfImage? image, out IReadOnlyList<Diagnostic> diagnostics)
            ? image
            : throw new InvalidDataException(diagnostics[0].ToString());

    /// <summary>Unmaps the file.</summary>
    public void Dispose() => _source.Dispose();
}
