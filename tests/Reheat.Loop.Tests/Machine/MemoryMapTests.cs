using Reheat.Agent.Machine;
using Reheat.Core;
using Xunit;

namespace Reheat.Loop.Tests.Machine;

/// <summary>What real QEMUs print of their machines, and what they might.</summary>
public sealed class MemoryMapTests
{
    [Theory]
    [InlineData("i386-e1000", 0xfee00020, "lapic")]
    [InlineData("i386-e1000", 0xfec00010, "ioapic")]
    [InlineData("i386-e1000", 0xfed000f0, "hpet")]
    [InlineData("i386-e1000", 0xfebc00d0, "e1000")]
    [InlineData("i386-e1000", 0xa1234, "vga")]
    [InlineData("i386-e1000", 0xfebf0404, "vga")]
    [InlineData("i386-e1000", 0x100000, "ram")]
    [InlineData("pc-e1000-vga", 0xfee00300, "lapic")]
    [InlineData("q35-e1000e-nvme", 0xfee00300, "lapic")]
    [InlineData("q35-e1000e-nvme", 0xfec00000, "ioapic")]
    public void A_real_map_names_its_devices(string sample, ulong address, string target)
    {
        MemoryMap map = Parse(Sample(sample));

        MemoryRegion region = map.Find(new PhysicalAddress(address))!.Value;

        Assert.Equal(target, region.Name);
        Assert.Equal(target != "ram", region.IsDevice);
    }

    [Theory]
    [InlineData("i386-e1000")]
    [InlineData("pc-e1000-vga")]
    [InlineData("q35-e1000e-nvme")]
    public void A_real_map_is_sorted_without_overlaps_and_every_line_of_its_view_is_in_it(string sample)
    {
        string text = Sample(sample);
        MemoryMap map = Parse(text);

        string view = text.Split("FlatView").First(v => v.Contains("AS \"memory\"", StringComparison.Ordinal));
        Assert.Equal(view.Split('\n').Count(l => l.Contains("(prio", StringComparison.Ordinal)), map.Regions.Count);
        Assert.All(map.Regions.Zip(map.Regions.Skip(1)), pair => Assert.True(pair.First.Last.Value < pair.Second.First.Value));
        Assert.All(map.Regions, r => Assert.Equal(r, map.Find(r.First)));
        Assert.All(map.Regions, r => Assert.Equal(r, map.Find(r.Last)));
    }

    [Fact]
    public void Holes_and_the_view_of_another_address_space_name_nothing()
    {
        MemoryMap map = Parse(Sample("i386-e1000"));

        Assert.Null(map.Find(new PhysicalAddress(0x20000000)));
        Assert.DoesNotContain(map.Regions, r => r.Name == "pic");
    }

    [Theory]
    [InlineData("", "no flat view")]
    [InlineData("unknown command: 'info mtree'", "no flat view")]
    [InlineData("FlatView #0\n AS \"I/O\", root: io\n  0000-0007 (prio 0, i/o): dma", "no flat view")]
    [InlineData("FlatView #0\n AS \"memory\", root: system\n  00zz-0007 (prio 0, i/o): dma", "\"00zz-0007 (prio 0, i/o): dma\" is no region")]
    [InlineData("FlatView #0\n AS \"memory\", root: system\n  0009-0007 (prio 0, i/o): dma", "line 3")]
    [InlineData("FlatView #0\n AS \"memory\", root: system\n  0000-0007 (prio 0 i/o) dma", "is no region")]
    [InlineData("FlatView #0\n AS \"memory\", root: system\n  00000000000000000-fffffffffffffffff (prio 0, i/o): x", "is no region")]
    public void A_malformed_text_is_a_diagnostic(string text, string message)
    {
        Assert.Null(MemoryMap.Parse(text, out Diagnostic? fault));
        Assert.Equal(DiagnosticId.MemoryMapMalformed, fault!.Id);
        Assert.Contains(message, fault.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Any_cut_of_a_real_text_is_a_map_or_a_diagnostic()
    {
        string text = Sample("q35-e1000e-nvme");
        for (int length = 0; length < text.Length; length += 13)
        {
            MemoryMap? map = MemoryMap.Parse(text[..length], out Diagnostic? fault);
            Assert.True((map is null) != (fault is null));
        }
    }

    [Theory]
    [InlineData("e1000-mmio", "e1000")]
    [InlineData("nvme", "nvme")]
    [InlineData("virtio-pci-common-virtio-net", "virtio-pci-common-virtio-net")]
    [InlineData("Weird Name/0", "weird-name-0")]
    [InlineData("kvm-apic-msi", "lapic")]
    [InlineData("", "unknown")]
    public void Names_of_regions_become_names_of_targets(string region, string target) => Assert.Equal(target, TargetNames.OfRegion(region));

    internal static MemoryMap Parse(string text) =>
        MemoryMap.Parse(text, out Diagnostic? fault) ?? throw new InvalidOperationException(fault!.ToString());

    private static string Sample(string name) => File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Machine", name + ".mtree.txt"));
}
