using System.Globalization;

namespace Reheat.Core.X86;

/// <summary>
/// What tells whether a function is still the one that was traced: XXH3 over its normalised instructions
/// (<see cref="FunctionCode"/>). The upper half hashes everything but the names of call targets, the lower half those names: a
/// linked image may know an aliased target by another name than the object does, and then the upper halves still agree.
/// </summary>
/// <param name="Value">The halves; 0 for none.</param>
public readonly record struct Fingerprint(ulong Value) : IComparable<Fingerprint>
{
    /// <summary>Bytes of text that <see cref="ToString"/> gives.</summary>
    public const int TextLength = 16;

    /// <summary>True for <c>default</c>.</summary>
    public bool IsNone => Value == 0;

    /// <summary>True if all but the names of call targets agree.</summary>
    public bool SameShape(Fingerprint other) => Value >> 32 == other.Value >> 32;

    /// <inheritdoc/>
    public int CompareTo(Fingerprint other) => Value.CompareTo(other.Value);

    /// <summary>16 lower-case hex digits.</summary>
    public override string ToString() => Value.ToString("x16", CultureInfo.InvariantCulture);

    /// <summary>Reads what <see cref="ToString"/> writes, and nothing else.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Fingerprint fingerprint)
    {
        fingerprint = default;
        if (text.Length != TextLength || text.ContainsAnyExcept(LowerHex.Digits))
            return false;
        fingerprint = new(ulong.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
        return true;
    }
}
