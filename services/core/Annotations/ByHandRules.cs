namespace Reheat.Core.Annotations;

/// <summary>What a list that people wrote does to one made from traces: <c>deny</c> takes sites out, <c>allow</c> adds them.</summary>
public sealed class ByHandRules
{
    private readonly AnnotationList _list;
    private readonly ILookup<string, (string Unit, FunctionAnnotations Function)> _byFunction;

    /// <summary>Takes a list marked <see cref="AnnotationList.ByHand"/>; sites without a keyword count as allowed.</summary>
    public ByHandRules(AnnotationList list)
    {
        _list = list;
        _byFunction = list.Units.SelectMany(unit => unit.Functions, (unit, function) => (unit.Name, function))
            .ToLookup(f => f.function.Name, f => (f.Name, f.function), StringComparer.Ordinal);
    }

    /// <summary>No rules.</summary>
    public static ByHandRules None { get; } = new(new AnnotationList { ByHand = true });

    /// <summary>True if a line denies the site.</summary>
    public bool Denies(SiteIdentity site) => _byFunction[site.Function]
        .Where(f => f.Unit == site.Unit || f.Unit == "*")
        .Where(f => f.Function.Fingerprint.IsNone || f.Function.Fingerprint == site.Fingerprint)
        .SelectMany(f => f.Function.Sites)
        .Any(line => line.Standing == Standing.Deny && (line.Ordinal == site.Ordinal || line.Ordinal == Annotation.EveryOrdinal));

    /// <summary>
    /// The list without what is denied, and with the lines that allow or deny: a second pass needs the denials too, as it finds sensitive
    /// instructions by itself. Equal lists and rules give an equal list.
    /// </summary>
    public AnnotationList Apply(AnnotationList list)
    {
        if (_list.Count == 0)
            return list;
        var listed = new HashSet<SiteIdentity>();
        var units = new List<UnitAnnotations>();
        foreach ((string unit, FunctionAnnotations function) in list.Units.SelectMany(u => u.Functions, (u, f) => (u.Name, f)))
        {
            Annotation[] kept = [.. function.Sites.Where(s => s.Standing == Standing.Deny || !Denies(new SiteIdentity(unit, function.Name, function.Fingerprint, s.Ordinal)))];
            listed.UnionWith(kept.Where(s => s.Standing != Standing.Deny).Select(s => new SiteIdentity(unit, function.Name, function.Fingerprint, s.Ordinal)));
            units.Add(new UnitAnnotations(unit, [function with { Sites = [.. kept] }]));
        }
        foreach ((string unit, FunctionAnnotations function) in _list.Units.SelectMany(u => u.Functions, (u, f) => (u.Name, f)))
        {
            // What the traces list already needs no permission; a rule that the list carries from before is not added again.
            Annotation[] added = [.. function.Sites
                .Select(s => s.Standing == Standing.Listed ? s with { Standing = Standing.Allow } : s)
                .Where(s => s.Standing == Standing.Deny || !listed.Contains(new SiteIdentity(unit, function.Name, function.Fingerprint, s.Ordinal)))
                .Where(s => !Has(list, unit, function, s))];
            units.Add(new UnitAnnotations(unit, [function with { Sites = [.. added] }]));
        }
        return (list with { Units = [.. units] }).Sorted();
    }

    private static bool Has(AnnotationList list, string unit, FunctionAnnotations function, Annotation site) => list.Units
        .Where(u => u.Name == unit).SelectMany(u => u.Functions)
        .Where(f => f.Name == function.Name && f.Fingerprint == function.Fingerprint).SelectMany(f => f.Sites)
        .Any(s => s.Ordinal == site.Ordinal && s.Standing == site.Standing);
}
