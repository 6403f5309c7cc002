using Reheat.Core.X86;

namespace Reheat.Core.Annotations;

/// <summary>What a site is called across builds.</summary>
/// <param name="Unit">Compile unit.</param>
/// <param name="Function">Symbol.</param>
/// <param name="Fingerprint">Of the function's code.</param>
/// <param name="Ordinal">Of the instruction.</param>
public readonly record struct SiteIdentity(string Unit, string Function, Fingerprint Fingerprint, int Ordinal) : IComparable<SiteIdentity>
{
    /// <summary>In the order of an annotation list.</summary>
    public int CompareTo(SiteIdentity other)
    {
        int order = string.CompareOrdinal(Unit, other.Unit);
        if (order == 0)
            order = string.CompareOrdinal(Function, other.Function);
        return order != 0 ? order : (Fingerprint, Ordinal).CompareTo((other.Fingerprint, other.Ordinal));
    }

    /// <summary><c>unit:function fingerprint #ordinal</c>.</summary>
    public override string ToString() => $"{Unit}:{Function} {Fingerprint} #{Ordinal}";
}
