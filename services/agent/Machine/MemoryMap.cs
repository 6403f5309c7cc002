using System.Globalization;
using System.Text;
using Reheat.Core;
using Reheat.Core.Ring;

namespace Reheat.Agent.Machine;

/// <summary>A region of the machine's physical address space, ends included.</summary>
internal readonly record struct MemoryRegion(PhysicalAddress First, PhysicalAddress Last, bool IsDevice, string Name);

/// <summary>
/// The physical address space as QEMU's <c>info mtree -f</c> prints it (the flat view of the address space "memory"): sorted, without overlaps.
/// </summary>
internal sealed class MemoryMap : IEquatable<MemoryMap>
{
    private readonly MemoryRegion[] _regions;

    private MemoryMap(MemoryRegion[] regions) => _regions = regions;

    /// <summary>In order of address.</summary>
    public IReadOnlyList<MemoryRegion> Regions => _regions;

    /// <summary>The region at an address, or null.</summary>
    public MemoryRegion? Find(PhysicalAddress address)
    {
        int low = 0, high = _regions.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) / 2;
            MemoryRegion region = _regions[middle];
            if (address.Value < region.First.Value)
                high = middle - 1;
            else if (address.Value > region.Last.Value)
                low = middle + 1;
            else
                return region;
        }
        return null;
    }

    /// <summary>Reads the text of <c>info mtree -f</c>, or of a session's <see cref="RingFormat.MemoryMapFile"/>, which is of the same shape.</summary>
    /// <param name="text">The text.</param>
    /// <param name="fault">What is wrong with it.</param>
    /// <param name="source">Where it is from, for <paramref name="fault"/>.</param>
    /// <returns>The map, or null with what is wrong with the text.</returns>
    public static MemoryMap? Parse(string text, out Diagnostic? fault, string source = "info mtree -f")
    {
        fault = null;
        bool wanted = false;
        var regions = new List<MemoryRegion>();
        int number = 0;
        foreach (string raw in text.Split('\n'))
        {
            number++;
            string line = raw.Trim();
            if (line.StartsWith("FlatView", StringComparison.Ordinal))
            {
                if (wanted && regions.Count > 0)
                    break;
                wanted = false;
                regions.Clear();
            }
            else if (line.StartsWith("AS \"memory\"", StringComparison.Ordinal))
            {
                wanted = true;
            }
            else if (wanted && line.Length > 0 && char.IsAsciiHexDigit(line[0]) && line.Contains("(prio", StringComparison.Ordinal))
            {
                if (!TryParseRegion(line, out MemoryRegion region))
                {
                    fault = new Diagnostic(DiagnosticId.MemoryMapMalformed, $"{source}, line {number}", $"\"{line}\" is no region");
                    return null;
                }
                regions.Add(region);
            }
        }
        if (regions.Count == 0)
        {
            fault = new Diagnostic(DiagnosticId.MemoryMapMalformed, source, $"no flat view of the address space \"memory\" in {number} lines");
            return null;
        }
        return new MemoryMap([.. regions.OrderBy(r => r.First)]);
    }

    // 00000000fee00000-00000000feefffff (prio 4096, i/o): apic-msi [@offset] [KVM]
    private static bool TryParseRegion(string line, out MemoryRegion region)
    {
        region = default;
        int dash = line.IndexOf('-', StringComparison.Ordinal);
        int space = line.IndexOf(' ', StringComparison.Ordinal);
        int close = line.IndexOf("): ", StringComparison.Ordinal);
        int comma = line.IndexOf(", ", StringComparison.Ordinal);
        if (dash < 0 || space < dash || comma < 0 || close < comma
            || !ulong.TryParse(line.AsSpan(0, dash), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong first)
            || !ulong.TryParse(line.AsSpan(dash + 1, space - dash - 1), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out ulong last)
            || last < first)
        {
            return false;
        }
        string kind = line[(comma + 2)..close];
        string name = line[(close + 3)..];
        int offset = name.IndexOf(" @", StringComparison.Ordinal);
        if (offset >= 0)
            name = name[..offset];
        region = new MemoryRegion(new PhysicalAddress(first), new PhysicalAddress(last), kind == "i/o", TargetNames.OfRegion(name));
        return true;
    }

    /// <inheritdoc/>
    public bool Equals(MemoryMap? other) => other is not null && _regions.AsSpan().SequenceEqual(other._regions);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as MemoryMap);

    /// <inheritdoc/>
    public override int GetHashCode() => _regions.Length;

    /// <inheritdoc/>
    public override string ToString()
    {
        var text = new StringBuilder();
        foreach (MemoryRegion region in _regions)
            text.AppendLine(CultureInfo.InvariantCulture, $"{region.First.Value:x16}-{region.Last.Value:x16} {(region.IsDevice ? "device" : "memory")} {region.Name}");
        return text.ToString();
    }
}
