namespace Reheat.Core.Elf;

/// <summary>One note (gABI "Note Section").</summary>
/// <param name="Owner">The name field, such as <c>GNU</c> or <c>Linux</c>.</param>
/// <param name="Type">Its type, which the owner defines; 3 of <c>GNU</c> is the build-id.</param>
/// <param name="Descriptor">The descriptor's bytes, a copy.</param>
public sealed record ElfNote(string Owner, uint Type, ReadOnlyMemory<byte> Descriptor)
{
    internal const uint GnuBuildId = 3;
}
