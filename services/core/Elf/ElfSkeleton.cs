namespace Reheat.Core.Elf;

/// <summary>
/// An image taken apart for storage: the headers, and the bytes of selected sections by section index. Made by
/// <see cref="ElfImage.ToSkeleton"/>, put together by <see cref="ElfImage.TryFromSkeleton"/>.
/// </summary>
/// <param name="Header">
/// File header, program headers and section headers end to end, about 64 bytes per section. Itself a valid ELF header.
/// </param>
/// <param name="Sections">Stored bytes of the selected sections; compressed sections stay compressed.</param>
public sealed record ElfSkeleton(ReadOnlyMemory<byte> Header, IReadOnlyDictionary<int, ReadOnlyMemory<byte>> Sections);
