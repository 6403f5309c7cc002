using Iced.Intel;
using Reheat.Core.Elf;
using Reheat.Core.X86;

namespace Reheat.Core.Records;

/// <summary>
/// The out-of-line code of a site under the policy selftest: the site is a <c>jmp</c> to it, it counts, does the access as its last step, so
/// that flags come out as the access leaves them, and jumps back behind the site's jump.
/// </summary>
internal static class SelftestThunk
{
    private const int LongestThunk = 256;

    /// <summary>True for a direct jump.</summary>
    public static bool IsJump(in SiteInstruction instruction) =>
        instruction.IsValid && instruction.Decoded.IsJmpShortOrNear;

    /// <summary>The thunk that a site's jump leads to, and the access in it; null if it is no such thunk.</summary>
    public static (AddressRange Thunk, AddressRange Access)? Follow(ElfImage image, AddressRange site, in SiteInstruction jump)
    {
        int bitness = image.Is64 ? 64 : 32;
        var start = new ImageAddress(jump.Decoded.NearBranchTarget);
        if (site.Contains(start))
            return null;
        ReadOnlySpan<byte> code = CodeAt(image, start, LongestThunk);
        AddressRange? access = null;
        for (int at = 0; at < code.Length;)
        {
            ImageAddress address = start + (ulong)at;
            var instruction = SiteInstruction.Decode(code[at..], address.Value, bitness);
            if (!instruction.IsValid || instruction.Decoded.FlowControl is FlowControl.Return or FlowControl.IndirectBranch)
                return null;
            if (IsJump(instruction))
            {
                ulong back = instruction.Decoded.NearBranchTarget;
                return access is { } found && back > site.Start.Value && back <= site.End.Value
                    ? (new AddressRange(start, address + (ulong)instruction.Length), found)
                    : null;
            }
            if (instruction.AccessesMemory && instruction.Shape != MemoryShape.Stack)
                access = new AddressRange(address, address + (ulong)instruction.Length);
            at += instruction.Length;
        }
        return null;
    }

    /// <summary>The code at an address, relocated in an object as if it were linked at file offsets.</summary>
    public static ReadOnlySpan<byte> CodeAt(ElfImage image, ImageAddress address, int most)
    {
        if (!image.IsRelocatable)
            return image.BytesAt(address, most);
        if (image.SectionAt(address) is not { IsExecutable: true } section)
            return [];
        ReadOnlySpan<byte> bytes = image.RelocatedBytes(section);
        ulong skip = address.Value - section.Start.Value;
        return skip >= (ulong)bytes.Length ? [] : bytes.Slice((int)skip, Math.Min(bytes.Length - (int)skip, most));
    }
}
