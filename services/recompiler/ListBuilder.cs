using System.Reflection;
using Reheat.Core;
using Reheat.Core.Annotations;
using Reheat.Store.Lists;

namespace Reheat.Recompiler;

/// <summary>Turns resolved sites into a list and its provenance. The same sites in any order give the same bytes.</summary>
internal static class ListBuilder
{
    private static readonly string ToolVersion = typeof(ListBuilder).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    public static ListResult Build(IReadOnlyList<ResolvedSite> sites, AnnotationPolicy policy, string architecture, IEnumerable<BuildId> images)
    {
        ResolvedSite[] annotated = [.. sites.Where(s => s.IsAnnotated)];
        // Several counts may belong to one instruction: two targets, or the load and the store of a string move.
        var bySite = annotated.GroupBy(IdentityOf).OrderBy(g => g.Key).ToArray();
        AnnotationList list = new AnnotationList
        {
            Architecture = architecture,
            Policy = policy,
            Units = [.. bySite.Select(g => new UnitAnnotations(g.Key.Unit,
                [new FunctionAnnotations(g.Key.Function, g.Key.Fingerprint, g.First().Code!.Sketch,
                    [new Annotation(g.Key.Ordinal, [.. g.Select(AccessOf)], g.First().Verdict.Instruction)])]))],
        }.Sorted();
        string body = AnnotationListWriter.Write(list);
        var provenance = new Provenance(list.BodyHash(), ToolVersion, [.. images.Order()], [.. bySite.Select(ProvenanceOf)]);
        int refused = sites.Where(s => !s.IsAnnotated).Select(s => s.Observed.Key.Site).Distinct().Count();
        return new ListResult(body, ProvenanceWriter.Write(provenance), list.Count, refused, [.. sites.Select(s => s.Verdict)]);
    }

    private static SiteIdentity IdentityOf(ResolvedSite site) => new(site.Unit, site.Code!.Name, site.Code.Fingerprint, site.Instruction.Ordinal);

    private static AnnotatedAccess AccessOf(ResolvedSite site) => new(site.Operation, site.Observed.Key.Size, site.Observed.Target);

    private static SiteProvenance ProvenanceOf(IGrouping<SiteIdentity, ResolvedSite> group)
    {
        ResolvedSite first = group.MinBy(s => (s.Observed.Image, s.Observed.Address))!;
        return new SiteProvenance(group.Key)
        {
            Image = first.Observed.Image,
            Address = first.Observed.Address,
            Offset = first.Instruction.Offset,
            Traps = Saturating.Sum(group.Select(s => s.Observed.Traps)),
            Hits = Saturating.Sum(group.Select(s => s.Observed.Hits)),
            Elements = Saturating.Sum(group.Select(s => s.Observed.Elements)),
            Wedges = group.Max(s => s.Observed.Wedges),
            Source = first.Verdict.Source.Length > 0 ? first.Verdict.Source : null,
        };
    }
}
