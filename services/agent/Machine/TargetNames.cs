using System.Collections.Frozen;
using System.Text;
using System.Text.RegularExpressions;
using Reheat.Core;

namespace Reheat.Agent.Machine;

/// <summary>Names of targets from names of QEMU's memory regions.</summary>
internal static partial class TargetNames
{
    /// <summary>The address lies in no region of any map that was valid meanwhile.</summary>
    public const string Unknown = "unknown";

    /// <summary>The memory map changed meanwhile, and the address was one device's before and another's after.</summary>
    public const string Ambiguous = "ambiguous";

    // Regions whose names are not what the field calls the device.
    private static readonly FrozenDictionary<string, string> Known = new Dictionary<string, string>
    {
        ["apic-msi"] = "lapic",
        ["kvm-apic-msi"] = "lapic",
        ["kvm-ioapic"] = "ioapic",
        ["vga-lowmem"] = "vga",
        ["vga.vram"] = "vga",
        ["vga.mmio"] = "vga",
        ["vga ioports remapped"] = "vga",
        ["bochs dispi interface"] = "vga",
        ["qemu extended regs"] = "vga",
        ["edid"] = "vga",
        ["pc.ram"] = "ram",
    }.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary><c>e1000-mmio</c> → <c>e1000</c>; what is not in [a-z0-9._-] becomes <c>-</c>.</summary>
    public static string OfRegion(string region)
    {
        region = region.Trim().ToLowerInvariant();
        if (Known.TryGetValue(region, out string? known))
            return known;
        var name = new StringBuilder(region.Length);
        foreach (char c in Suffix().Replace(region, ""))
            name.Append(TargetName.IsValid(c) ? c : '-');
        if (name.Length > TargetName.MaxLength)
            name.Length = TargetName.MaxLength;
        return name.Length == 0 ? Unknown : name.ToString();
    }

    [GeneratedRegex("[-.](mmio|mem|io)$")]
    private static partial Regex Suffix();
}
