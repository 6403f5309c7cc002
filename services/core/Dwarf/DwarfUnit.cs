using Reheat.Core.Elf;

namespace Reheat.Core.Dwarf;

/// <summary>A compile unit: one source file as the compiler saw it.</summary>
public sealed class DwarfUnit
{
    internal DwarfUnit(ulong offset, FormContext context, string name, string directory, AddressRange[] ranges, ulong? lines)
    {
        Offset = offset;
        Context = context;
        Name = name;
        CompilationDirectory = directory;
        Path = SourcePath.Normalise(name, directory);
        Ranges = ranges;
        LineOffset = lines;
    }

    /// <summary>Position of its header in <c>.debug_info</c>, bytes.</summary>
    public ulong Offset { get; }

    /// <summary>DWARF version, 2 to 5.</summary>
    public int Version => Context.Version;

    /// <summary><c>DW_AT_name</c>, empty if absent.</summary>
    public string Name { get; }

    /// <summary><c>DW_AT_comp_dir</c>, empty if absent.</summary>
    public string CompilationDirectory { get; }

    /// <summary>The name in its tree, such as <c>arch/x86/kernel/apic/apic.c</c>; see <see cref="SourcePath.Normalise"/>.</summary>
    public string Path { get; }

    /// <summary>The code it contributed, ascending; without what the linker discarded.</summary>
    public IReadOnlyList<AddressRange> Ranges { get; }

    /// <summary><c>DW_AT_stmt_list</c>: position of its line program in <c>.debug_line</c>; null if it has none.</summary>
    public ulong? LineOffset { get; }

    internal FormContext Context { get; }

    /// <summary>Path.</summary>
    public override string ToString() => Path;
}
