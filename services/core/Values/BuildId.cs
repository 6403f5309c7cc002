using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Reheat.Core;

/// <summary>
/// The GNU build-id of an image: the descriptor of its <c>NT_GNU_BUILD_ID</c> note, 1 to 64 bytes (20 for the usual SHA-1).
/// Compared and hashed by content; printed as lower-case hex.
/// </summary>
public readonly record struct BuildId : IComparable<BuildId>
{
    /// <summary>The longest accepted descriptor, in bytes.</summary>
    public const int MaxLength = 64;

    private readonly string? _hex;

    /// <summary>Takes the note's descriptor.</summary>
    /// <exception cref="ArgumentException">The descriptor is empty or longer than <see cref="MaxLength"/>.</exception>
    public BuildId(ReadOnlySpan<byte> descriptor)
    {
        if (descriptor.IsEmpty || descriptor.Length > MaxLength)
            throw new ArgumentException($"build-id of {descriptor.Length} bytes: expected 1 to {MaxLength}", nameof(descriptor));
        _hex = Convert.ToHexStringLower(descriptor);
    }

    private BuildId(string hex) => _hex = hex;

    /// <summary>True for <c>default</c>, which names no image.</summary>
    public bool IsNone => _hex is null;

    /// <summary>The first 12 hex digits, enough to tell builds apart in a table.</summary>
    public string Short => ToString() is { Length: > 12 } s ? s[..12] : ToString();

    /// <summary>The descriptor's bytes.</summary>
    public byte[] ToBytes() => _hex is null ? [] : Convert.FromHexString(_hex);

    /// <summary>Lower-case hex, empty for <c>default</c>.</summary>
    public override string ToString() => _hex ?? "";

    /// <inheritdoc/>
    public int CompareTo(BuildId other) => string.CompareOrdinal(_hex, other._hex);

    /// <summary>Reads hex of either case; false if the text is no build-id.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out BuildId buildId)
    {
        buildId = default;
        if (text is null || text.Length is 0 or > 2 * MaxLength || text.Length % 2 != 0)
            return false;
        foreach (char c in text)
        {
            if (!char.IsAsciiHexDigit(c))
                return false;
        }
        buildId = new BuildId(text.ToLower(CultureInfo.InvariantCulture));
        return true;
    }
}
