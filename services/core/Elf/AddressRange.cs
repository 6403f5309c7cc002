namespace Reheat.Core.Elf;

/// <summary>The half-open range [<paramref name="Start"/>, <paramref name="End"/>) of an image's addresses.</summary>
/// <param name="Start">First address.</param>
/// <param name="End">First address after it.</param>
public readonly record struct AddressRange(ImageAddress Start, ImageAddress End) : IComparable<AddressRange>
{
    /// <summary>Bytes.</summary>
    public ulong Length => End.Value - Start.Value;

    /// <summary>True if the range has no address.</summary>
    public bool IsEmpty => End.Value <= Start.Value;

    /// <summary>True if <paramref name="address"/> lies inside.</summary>
    public bool Contains(ImageAddress address) => address.Value >= Start.Value && address.Value < End.Value;

    /// <summary>By start, then by end.</summary>
    public int CompareTo(AddressRange other) =>
        Start.CompareTo(other.Start) is var order and not 0 ? order : End.CompareTo(other.End);

    /// <summary><c>[0xstart, 0xend)</c>.</summary>
    public override string ToString() => $"[{Start}, {End})";

    /// <summary>The range of <paramref name="length"/> bytes from <paramref name="start"/>; false if it wraps around 2^64.</summary>
    public static bool TryCreate(ulong start, ulong length, out AddressRange range)
    {
        range = new AddressRange(new ImageAddress(start), new ImageAddress(unchecked(start + length)));
        return range.End.Value >= start;
    }
}
