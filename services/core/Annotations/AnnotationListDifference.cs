using Reheat.Core.X86;

namespace Reheat.Core.Annotations;

/// <summary>A site of one list or of both.</summary>
/// <param name="Unit">Compile unit.</param>
/// <param name="Function">Symbol.</param>
/// <param name="Before">Its line in the first list, with its function's fingerprint; null if it has none.</param>
/// <param name="After">The same of the second list.</param>
public sealed record SiteDifference(string Unit, string Function, (Fingerprint Fingerprint, Annotation Site)? Before, (Fingerprint Fingerprint, Annotation Site)? After);

/// <summary>What one list has that another has not. Sites of a function whose fingerprint changed are matched by ordinal and instruction.</summary>
/// <param name="Added">Only in the second.</param>
/// <param name="Removed">Only in the first.</param>
/// <param name="Changed">In both, with another fingerprint, instruction or other accesses.</param>
public sealed record AnnotationListDifference(
    IReadOnlyList<SiteDifference> Added, IReadOnlyList<SiteDifference> Removed, IReadOnlyList<SiteDifference> Changed)
{
    private readonly record struct Key(string Unit, string Function, int Ordinal, Standing Standing) : IComparable<Key>
    {
        public int CompareTo(Key other)
        {
            int order = string.CompareOrdinal(Unit, other.Unit);
            if (order == 0)
                order = string.CompareOrdinal(Function, other.Function);
            return order != 0 ? order : (Ordinal, Standing).CompareTo((other.Ordinal, other.Standing));
        }
    }

    /// <summary>True if both lists have the same sites.</summary>
    public bool IsEmpty => Added.Count + Removed.Count + Changed.Count == 0;

    /// <summary>Compares two lists, in order of unit, function and ordinal.</summary>
    public static AnnotationListDifference Between(AnnotationList before, AnnotationList after)
    {
        ILookup<Key, (Fingerprint, Annotation)> first = Sites(before), second = Sites(after);
        var (added, removed, changed) = (new List<SiteDifference>(), new List<SiteDifference>(), new List<SiteDifference>());
        foreach (Key key in first.Select(g => g.Key).Union(second.Select(g => g.Key)).Order())
        {
            // Equal lines go out pairwise; of what is left, one each is a change.
            var (left, right) = (first[key].ToList(), second[key].ToList());
            foreach ((Fingerprint, Annotation) same in left.Intersect(right).ToList())
            {
                left.Remove(same);
                right.Remove(same);
            }
            for (int i = 0; i < Math.Max(left.Count, right.Count); i++)
            {
                var difference = new SiteDifference(key.Unit, key.Function, i < left.Count ? left[i] : null, i < right.Count ? right[i] : null);
                (difference.Before is null ? added : difference.After is null ? removed : changed).Add(difference);
            }
        }
        return new AnnotationListDifference(added, removed, changed);
    }

    private static ILookup<Key, (Fingerprint, Annotation)> Sites(AnnotationList list) => list.Units
        .SelectMany(unit => unit.Functions, (unit, function) => (unit, function))
        .SelectMany(f => f.function.Sites, (f, site) => (Key: new Key(f.unit.Name, f.function.Name, site.Ordinal, site.Standing), f.function.Fingerprint, Site: site))
        .ToLookup(s => s.Key, s => (s.Fingerprint, s.Site));
}
