using System.Text;
using Reheat.Core.X86;

namespace Reheat.Core.Annotations;

/// <summary>
/// The body of an annotation list: all that a second pass reads, and nothing that changes from run to run. Equal content has
/// equal bytes (<see cref="AnnotationListWriter"/>), so lists diff, review and reach a fixpoint.
/// </summary>
public sealed record AnnotationList
{
    /// <summary>The format's version: another major is refused, a newer minor is read as far as it is known.</summary>
    public const string FormatVersion = "1.0";

    /// <summary><c>x86-64</c> or <c>i386</c>.</summary>
    public string Architecture { get; init; } = "x86-64";

    /// <summary>Version of the normal form that fingerprints and instructions are written in.</summary>
    public int NormalVersion { get; init; } = FunctionCode.NormalVersion;

    /// <summary>True for a list that people write: no closing count is asked for.</summary>
    public bool ByHand { get; init; }

    /// <summary>By which rules it came about and is applied.</summary>
    public AnnotationPolicy Policy { get; init; } = new();

    /// <summary>In ordinal order of name.</summary>
    public ValueList<UnitAnnotations> Units { get; init; }

    /// <summary>How many sites it has.</summary>
    public int Count => Units.Sum(unit => unit.Functions.Sum(function => function.Sites.Count));

    /// <summary>SHA-256 of the written body, lower-case hex: what "the same list" means.</summary>
    public string BodyHash() => Hash(AnnotationListWriter.Write(this));

    /// <summary>
    /// SHA-256 of what concerns one unit, policy included: an object must be rebuilt if and only if this changed. A unit that the list
    /// does not name has the hash of an empty slice.
    /// </summary>
    public string SliceHash(string unit) => Hash(AnnotationListWriter.Write(this with { Units = [.. Units.Where(u => u.Name == unit)] }));

    /// <summary>The canonical form: groups of one identity merged, everything in order.</summary>
    /// <exception cref="InvalidOperationException">A site stands twice or says nothing: whoever made the list broke its invariants.</exception>
    public AnnotationList Sorted() => this with
    {
        Units = [.. Units.GroupBy(unit => unit.Name, StringComparer.Ordinal)
            .OrderBy(group => group.Key, StringComparer.Ordinal)
            .Select(group => new UnitAnnotations(group.Key, [.. Merge(group.Key, group.SelectMany(unit => unit.Functions))]))
            .Where(unit => unit.Functions.Count > 0)],
    };

    private static IEnumerable<FunctionAnnotations> Merge(string unit, IEnumerable<FunctionAnnotations> functions) => functions
        .GroupBy(function => (function.Name, function.Fingerprint))
        .OrderBy(group => group.Key.Name, StringComparer.Ordinal)
        .ThenBy(group => group.Key.Fingerprint)
        .Select(group => new FunctionAnnotations(
            group.Key.Name,
            group.Key.Fingerprint,
            group.Select(function => function.Sketch).FirstOrDefault(sketch => !sketch.Equals(CodeSketch.Empty)) ?? CodeSketch.Empty,
            [.. Order($"{unit}:{group.Key.Name}", group.SelectMany(function => function.Sites))]))
        .Where(function => function.Sites.Count > 0);

    private static List<Annotation> Order(string place, IEnumerable<Annotation> sites)
    {
        List<Annotation> ordered = [.. sites
            .Select(site => site with { Accesses = [.. site.Accesses.Distinct().Order()] })
            .OrderBy(site => site.Ordinal).ThenBy(site => site.Standing)];
        for (int i = 0; i < ordered.Count; i++)
        {
            if (Fault(ordered[i]) is { } fault)
                throw new InvalidOperationException($"annotation list: {place} ordinal {ordered[i].Ordinal}: {fault}");
            if (i == 0)
                continue;
            if (ordered[i].Ordinal == ordered[i - 1].Ordinal && ordered[i].Standing == ordered[i - 1].Standing)
                throw new InvalidOperationException($"annotation list: {place} has ordinal {ordered[i].Ordinal} twice; merge its accesses into one site");
        }
        return ordered;
    }

    // What the reader would refuse must not be written.
    private static string? Fault(Annotation site) => site switch
    {
        { Ordinal: < 0, Standing: not Standing.Deny } or { Ordinal: < Annotation.EveryOrdinal } => "no ordinal",
        { Accesses.Count: 0, Standing: not Standing.Deny } => "no access",
        _ => site.Accesses.Any(access => !access.Operation.IsKnown() || access.Size < 0) ? "an access of unknown operation or negative size" : null,
    };

    private static string Hash(string text) => Convert.ToHexStringLower(Sha256.Hash(Encoding.UTF8.GetBytes(text)));
}
