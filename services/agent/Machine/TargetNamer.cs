using Reheat.Core;

namespace Reheat.Agent.Machine;

/// <summary>
/// Names what was touched by physical address. Maps are read before and after the records that they name: where all maps of that span agree,
/// or the address is one device's in some and nobody's in the others, the name is certain.
/// </summary>
internal sealed class TargetNamer
{
    // Oldest first. The first is the one that was valid when the oldest record that is not yet released was made.
    private readonly List<(MemoryMap Map, long ReadAt)> _maps = [];
    private readonly Dictionary<ulong, string> _lines = [];
    private readonly Lock _lock = new();
    private volatile int _generation;

    /// <summary>Another number once an address may have another name: until then, a name that was given holds.</summary>
    public int Generation => _generation;

    /// <summary>The newest map, or null if none was read yet.</summary>
    public MemoryMap? Newest
    {
        get
        {
            lock (_lock)
                return _maps.Count > 0 ? _maps[^1].Map : null;
        }
    }

    /// <summary>Adds the map that was read at <paramref name="now"/> (a monotonic time stamp).</summary>
    /// <returns>True if it differs from the one before.</returns>
    public bool Add(MemoryMap map, long now)
    {
        lock (_lock)
        {
            if (_maps.Count > 0 && map.Equals(_maps[^1].Map))
                return false;
            _maps.Add((map, now));
            Changed();
            return true;
        }
    }

    /// <summary>Forgets maps that were replaced before <paramref name="oldestRecord"/> (a monotonic time stamp).</summary>
    public void Forget(long oldestRecord)
    {
        lock (_lock)
        {
            int replaced = 0;
            while (replaced + 1 < _maps.Count && _maps[replaced + 1].ReadAt < oldestRecord)
                replaced++;
            if (replaced == 0)
                return;
            _maps.RemoveRange(0, replaced);
            Changed();
        }
    }

    private void Changed()
    {
        _lines.Clear();
        _generation++; // under the lock
    }

    /// <summary>The target at an address.</summary>
    public string Name(PhysicalAddress address)
    {
        // Devices' regions begin and end within pages too (HPET has 1 KiB), but rarely two share a 64-byte line.
        ulong line = address.Value >> 6;
        lock (_lock)
        {
            if (_lines.TryGetValue(line, out string? known))
                return known;
            string name = TargetNames.Unknown;
            bool device = false;
            foreach ((MemoryMap map, _) in _maps)
            {
                // The wedge saw a device, so a map in which the address is memory was read at another time.
                if (map.Find(address) is not { } region || (device && !region.IsDevice))
                    continue;
                bool first = name == TargetNames.Unknown || (region.IsDevice && !device);
                name = first || name == region.Name ? region.Name : TargetNames.Ambiguous;
                device |= region.IsDevice;
            }
            if (name != TargetNames.Unknown)
                _lines[line] = name;
            return name;
        }
    }
}
