namespace Reheat.Core.Elf;

public sealed partial class ElfImage
{
    private sealed record AddressIndex(IntervalMap Sections, IntervalMap Segments, AddressRange[] Executable, AddressRange[] Loaded);

    private AddressIndex Addresses
    {
        get
        {
            // Lookups come here each time: no lock once it is there.
            if (field is { } ready)
                return ready;
            lock (_lock)
                return field ??= BuildAddressIndex();
        }
    }

    /// <summary>
    /// The ranges of machine code, ascending: executable sections, neighbours not joined; in an image without section headers
    /// the executable PT_LOAD segments.
    /// </summary>
    public IReadOnlyList<AddressRange> ExecutableRanges => Addresses.Executable;

    /// <summary>The executable PT_LOAD segments' ranges in memory, ascending; none in a relocatable object.</summary>
    public IReadOnlyList<AddressRange> ExecutableSegments => Addresses.Loaded;

    /// <summary>The allocated section that holds an address, or null. Allocates nothing.</summary>
    public ElfSection? SectionAt(ImageAddress address) =>
        Addresses.Sections.Find(address.Value) is var index && index >= 0 ? _sections[index] : null;

    /// <summary>True if the address lies in an allocated section or, in a linked image, a PT_LOAD segment.</summary>
    public bool Contains(ImageAddress address) =>
        Addresses.Sections.Find(address.Value) >= 0 || Addresses.Segments.Find(address.Value) >= 0;

    /// <summary>True if the address holds machine code (see <see cref="ExecutableRanges"/>).</summary>
    public bool IsExecutable(ImageAddress address)
    {
        AddressIndex index = Addresses;
        int section = index.Sections.Find(address.Value);
        if (section >= 0)
            return _sections[section].IsExecutable;
        int segment = index.Segments.Find(address.Value);
        return segment >= 0 && _segments[segment].IsExecutable && _sections.Length == 0;
    }

    /// <summary>
    /// The bytes at an address, at most <paramref name="most"/>, ending with the section; empty where the file has none. The span
    /// points into the image.
    /// </summary>
    public ReadOnlySpan<byte> BytesAt(ImageAddress address, int most = int.MaxValue)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(most);
        AddressIndex index = Addresses;
        ReadOnlySpan<byte> bytes;
        ulong start;
        if (index.Sections.Find(address.Value) is var section && section >= 0)
        {
            bytes = _sections[section].Bytes;
            start = _sections[section].Start.Value;
        }
        else if (index.Segments.Find(address.Value) is var segment && segment >= 0 && _stored is null)
        {
            bytes = _source.Clip(_segments[segment].Offset, _segments[segment].FileSize);
            start = _segments[segment].Address;
        }
        else
            return [];
        ulong skip = address.Value - start;
        if (skip >= (ulong)bytes.Length)
            return [];
        bytes = bytes[(int)skip..];
        return bytes[..Math.Min(bytes.Length, most)];
    }

    /// <summary>The addresses of an allocated section; false if it has none, is empty or wraps around.</summary>
    internal bool TryGetRange(ElfSection section, out AddressRange range)
    {
        range = default;
        if (!section.IsAllocated || section.Size == 0 || section.Type == ElfSectionType.Null)
            return false;
        // NOBITS has no file offsets of its own; .tbss has addresses that belong to its neighbours.
        if (section.IsNoBits && (IsRelocatable || (section.Flags & ElfSectionFlags.ThreadLocal) != 0))
            return false;
        return AddressRange.TryCreate(section.Start.Value, section.Size, out range);
    }

    private AddressIndex BuildAddressIndex()
    {
        var sections = new List<Interval>();
        var segments = new List<Interval>();
        var executable = new List<AddressRange>();
        var loaded = new List<AddressRange>();
        for (int i = 0; i < _sections.Length; i++)
        {
            if (TryGetRange(_sections[i], out AddressRange range))
            {
                sections.Add(new Interval(range.Start.Value, range.End.Value, i));
                if (_sections[i].IsExecutable)
                    executable.Add(range);
            }
            else if (_sections[i].IsAllocated && unchecked(_sections[i].Start.Value + _sections[i].Size) < _sections[i].Start.Value)
            {
                _bag.Add(
                    DiagnosticId.ElfBadSection, $"section [{i}]",
                    $"0x{_sections[i].Size:x} bytes from {_sections[i].Start} wrap around the address space; left out");
            }
        }
        for (int i = 0; !IsRelocatable && i < _segments.Length; i++)
        {
            if (!_segments[i].IsLoad || !AddressRange.TryCreate(_segments[i].Address, _segments[i].MemorySize, out AddressRange range))
                continue;
            segments.Add(new Interval(range.Start.Value, range.End.Value, i));
            if (_segments[i].IsExecutable && !range.IsEmpty)
                loaded.Add(range);
        }
        executable.Sort();
        loaded.Sort();
        return new AddressIndex(
            IntervalMap.Build(sections), IntervalMap.Build(segments),
            _sections.Length == 0 ? [.. loaded] : [.. executable], [.. loaded]);
    }
}
