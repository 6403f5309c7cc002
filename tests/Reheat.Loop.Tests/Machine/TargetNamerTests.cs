using Reheat.Agent.Machine;
using Reheat.Core;
using Xunit;

namespace Reheat.Loop.Tests.Machine;

/// <summary>The map may change between the reads that enclose a record.</summary>
public sealed class TargetNamerTests
{
    private const string Head = "FlatView #0\n AS \"memory\", root: system\n";
    private const string Ram = Head + " 0-fff (prio 0, ram): pc.ram\n";
    private const string NetAt1000 = Ram + " 1000-1fff (prio 1, i/o): e1000-mmio\n";
    private const string NetAt2000 = Ram + " 2000-2fff (prio 1, i/o): e1000-mmio\n";
    private const string DiskAt1000 = Ram + " 1000-1fff (prio 1, i/o): nvme\n";
    private const string RamAt1000 = Head + " 0-1fff (prio 0, ram): pc.ram\n";

    [Theory]
    [InlineData("e1000", new[] { NetAt1000 })]
    [InlineData("unknown", new[] { Ram })]
    [InlineData("unknown", new string[0])]
    [InlineData("e1000", new[] { Ram, NetAt1000 })] // the guest switched the BAR on
    [InlineData("e1000", new[] { NetAt1000, NetAt2000 })] // and moved it
    [InlineData("e1000", new[] { RamAt1000, NetAt1000 })] // the wedge saw a device
    [InlineData("e1000", new[] { NetAt1000, RamAt1000 })]
    [InlineData("ambiguous", new[] { NetAt1000, DiskAt1000 })]
    [InlineData("ambiguous", new[] { NetAt1000, Ram, DiskAt1000 })]
    public void An_address_is_named_where_the_maps_of_its_time_leave_no_doubt(string target, string[] maps)
    {
        var namer = new TargetNamer();
        for (int i = 0; i < maps.Length; i++)
            namer.Add(MemoryMapTests.Parse(maps[i]), i);

        Assert.Equal(target, namer.Name(new PhysicalAddress(0x1080)));
        Assert.Equal(target, namer.Name(new PhysicalAddress(0x1084))); // from the memory of the line
    }

    [Fact]
    public void A_map_replaced_before_the_oldest_record_has_no_say()
    {
        var namer = new TargetNamer();
        Assert.True(namer.Add(MemoryMapTests.Parse(NetAt1000), 10));
        Assert.False(namer.Add(MemoryMapTests.Parse(NetAt1000), 15));
        Assert.True(namer.Add(MemoryMapTests.Parse(DiskAt1000), 20));
        Assert.Equal("ambiguous", namer.Name(new PhysicalAddress(0x1000)));

        namer.Forget(20);
        Assert.Equal("ambiguous", namer.Name(new PhysicalAddress(0x1000)));
        namer.Forget(21);
        Assert.Equal("nvme", namer.Name(new PhysicalAddress(0x1000)));
    }
}
