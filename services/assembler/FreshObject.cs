using Reheat.Assembler.Gas;
using Reheat.Core.Elf;
using Reheat.Core.X86;

namespace Reheat.Assembler;

/// <summary>What the assembler made of the source, with the statement of each instruction.</summary>
internal sealed class FreshObject
{
    /// <summary>An object with what is said of its statements.</summary>
    public FreshObject(ElfImage elf, LabelledText map)
    {
        Elf = elf;
        Map = map;
        Patched = PatchedRanges.Read(elf);
        Reader = new FunctionReader(elf, Patched);
    }

    public ElfImage Elf { get; }

    public LabelledText Map { get; }

    public PatchedRanges Patched { get; }

    public FunctionReader Reader { get; }

    public int Bitness => Reader.Bitness;

    /// <summary>True if the code finds its data through a table of addresses.</summary>
    public bool IsPositionIndependent => Elf.Symbols.FindAll("_GLOBAL_OFFSET_TABLE_").Count > 0;

    /// <summary>Assembles; null if the source does not assemble, or is for another machine.</summary>
    public static FreshObject? Assemble(Toolchain toolchain, byte[] text, SourceScan scan, string prefix)
    {
        int bitness = toolchain.Command.Bitness;
        for (int attempt = 0; attempt < 2; attempt++)
        {
            ReadOnlySpan<byte> labelled = LabelledText.Write(text, scan, prefix, bitness, whole: attempt > 0);
            if (toolchain.AssembleCode(labelled, out _, FunctionCode.WarmUp) is { } bytes && ElfImage.TryFromBytes(bytes, "fresh object", out ElfImage? elf, out _))
                return elf.Is64 == (bitness == 64) ? new FreshObject(elf, LabelledText.Read(elf, scan)) : null;
        }
        return null;
    }

    /// <summary>What the section's name says against changing its code; null if nothing.</summary>
    public static string? Untouchable(string section)
    {
        foreach (string name in (ReadOnlySpan<string>)[".noinstr.text", ".entry.text", ".altinstr", ".discard", ".text..__x86", ".vvar", ".init.rodata"])
        {
            if (section.StartsWith(name, StringComparison.Ordinal))
                return section;
        }
        return null;
    }
}
