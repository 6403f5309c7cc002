namespace Reheat.Core;

/// <summary>
/// A position in an image, free of load address: the link-time virtual address in a linked image, the file offset in a
/// relocatable module (design: "address").
/// </summary>
/// <param name="Value">The raw address.</param>
public readonly record struct ImageAddress(ulong Value) : IComparable<ImageAddress>
{
    /// <inheritdoc/>
    public int CompareTo(ImageAddress other) => Value.CompareTo(other.Value);

    /// <summary>Hex with a <c>0x</c> prefix.</summary>
    public override string ToString() => $"0x{Value:x}";

    /// <summary>The address <paramref name="bytes"/> further on.</summary>
    public static ImageAddress operator +(ImageAddress address, ulong bytes) => new(unchecked(address.Value + bytes));
}

/// <summary>An address as the running guest sees it: the image's address plus the bias it was loaded with.</summary>
/// <param name="Value">The raw guest-virtual address.</param>
public readonly record struct GuestAddress(ulong Value) : IComparable<GuestAddress>
{
    /// <inheritdoc/>
    public int CompareTo(GuestAddress other) => Value.CompareTo(other.Value);

    /// <summary>Hex with a <c>0x</c> prefix.</summary>
    public override string ToString() => $"0x{Value:x}";

    /// <summary>Takes the load bias off (modulo 2^64, as the bias may be negative).</summary>
    public ImageAddress Unbias(LoadBias bias) => new(unchecked(Value - (ulong)bias.Value));
}

/// <summary>Guest address minus image address, constant for one loaded image; negative when loaded below its link address.</summary>
/// <param name="Value">Bytes.</param>
public readonly record struct LoadBias(long Value);

/// <summary>A guest-physical address, as a device or the memory map knows it.</summary>
/// <param name="Value">The raw address.</param>
public readonly record struct PhysicalAddress(ulong Value) : IComparable<PhysicalAddress>
{
    /// <inheritdoc/>
    public int CompareTo(PhysicalAddress other) => Value.CompareTo(other.Value);

    /// <summary>Hex with a <c>0x</c> prefix.</summary>
    public override string ToString() => $"0x{Value:x}";
}
