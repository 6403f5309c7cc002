using System.Runtime.CompilerServices;
using Reheat.Agent.Machine;
using Reheat.Core;

namespace Reheat.Agent.Kvm;

/// <summary>Names what was touched, by guest-physical address: the places that every PC has, or a memory map of the machine.</summary>
internal sealed class GuestTargets(MemoryMap? map)
{
    private const ulong IoApic = 0xfec0_0000;
    private const ulong Hpet = 0xfed0_0000;
    private const ulong LocalApic = 0xfee0_0000;

    /// <summary>A device of which no more is known.</summary>
    private const string Device = "mmio";

    /// <summary>A page table of which the level is not known.</summary>
    private const string PageTable = "page-table";

    // A hostile text may touch any number of addresses.
    private const int MaxLines = 1 << 16;
    private const int Recent = 1 << 8;

    private readonly List<string> _names = [PageTable, "lapic"];
    private readonly Dictionary<ulong, int> _lines = [];

    // By line, one more than its number: 0 is none.
    private readonly (ulong Line, int Target)[] _recent = new (ulong, int)[Recent];

    /// <summary>Index of the name of all page tables.</summary>
    public const int OfPageTables = 0;

    /// <summary>Index of the local APIC.</summary>
    public const int OfLocalApic = 1;

    /// <summary>A name by its index.</summary>
    public string Name(int target) => _names[target];

    /// <summary>Index of the name of the device at an address.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public int Of(ulong address)
    {
        ulong line = address >> 6;
        ref (ulong Line, int Target) recent = ref _recent[(int)((line ^ (line >> 8)) % Recent)];
        if (recent.Line != line + 1)
            recent = (line + 1, Look(address, line));
        return recent.Target;
    }

    private int Look(ulong address, ulong line)
    {
        if (_lines.TryGetValue(line, out int target))
            return target;
        string name = NameOf(address);
        target = _names.IndexOf(name);
        if (target < 0)
        {
            target = _names.Count;
            _names.Add(name);
        }
        if (_lines.Count == MaxLines)
            _lines.Clear();
        _lines.Add(line, target);
        return target;
    }

    /// <summary>True if a device is known to be at an address.</summary>
    public bool IsDevice(ulong address) => map?.Find(new PhysicalAddress(address)) is { } region ? region.IsDevice : PcDevice(address) is not null;

    private string NameOf(ulong address) => map?.Find(new PhysicalAddress(address)) is { IsDevice: true } region ? region.Name : PcDevice(address) ?? Device;

    private static string? PcDevice(ulong address) => (address & ~0xfffUL) switch
    {
        LocalApic => "lapic",
        IoApic => "ioapic",
        Hpet => "hpet",
        _ => null,
    };
}
