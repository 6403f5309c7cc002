namespace Reheat.Core.X86;

/// <summary>
/// Which of several names of one address a fingerprint uses. An object says the name the source used; a linked image says only
/// where it leads, and there memcpy, __memcpy and __pi_memcpy are one place.
/// </summary>
public static class SymbolChoice
{
    /// <summary>A thunk's name before all (labels mark where the thunks begin), then fewest leading underscores, then shortest, then first in ordinal order: the name C code calls it by.</summary>
    /// <returns>Null if there are none.</returns>
    public static string? Preferred(IEnumerable<string> names)
    {
        string? best = null;
        foreach (string name in names)
        {
            if (best is null || Compare(name, best) < 0)
                best = name;
        }
        return best;
    }

    private static int Compare(string a, string b) =>
        (!Thunks.Is(a), Underscores(a), a.Length).CompareTo((!Thunks.Is(b), Underscores(b), b.Length)) is not 0 and int order ? order : string.CompareOrdinal(a, b);

    private static int Underscores(string name) => name.Length - name.TrimStart('_').Length;
}
