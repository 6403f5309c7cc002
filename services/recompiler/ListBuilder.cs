using System.Reflection;
using Reheat.Core;
using Reheat.Core.Annotations;
using Reheat.Core.X86;
using Reheat.Store.Lists;

namespace Reheat.Recompiler;

/// <summary>All that a list is made of.</summary>
/// <param name="Sites">What was observed of the build, resolved and judged.</param>
/// <param name="Carried">The list of the build before, placed in this one.</param>
/// <param name="Policy">The rules.</param>
/// <param name="ByHand">What people allow and deny.</param>
/// <param name="Architecture">Of the images.</param>
/// <param name="Images">Their build-ids.</param>
internal sealed record ListSource(
    IReadOnlyList<ResolvedSite> Sites, IReadOnlyList<CarriedSite> Carried, AnnotationPolicy Policy, ByHandRules ByHand, string Architecture, IReadOnlyList<BuildId> Images);

/// <summary>Turns resolved and carried sites into a list and its provenance. The same sites in any order give the same bytes.</summary>
internal static class ListBuilder
{
    private static readonly string ToolVersion = typeof(ListBuilder).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    private sealed record Entry(SiteIdentity Identity, CodeSketch Sketch, string Instruction, IReadOnlyList<AnnotatedAccess> Accesses, SiteProvenance Provenance);

    public static ListResult Build(ListSource source)
    {
        HashSet<SiteIdentity> carried = [.. source.Carried.Select(c => c.Identity)];
        ResolvedSite[] sites = [.. source.Sites.Select(s => Decide(s, carried, source.ByHand))];
        Dictionary<SiteIdentity, Entry> entries = sites.Where(s => s.IsAnnotated).GroupBy(IdentityOf).ToDictionary(g => g.Key, EntryOf);
        HashSet<SiteIdentity> seen = [.. sites.Where(s => s.HasOrdinal).Select(IdentityOf)];
        bool observedEnough = Saturating.Sum(sites.Select(s => Saturating.Add(s.Observed.Traps, s.Observed.Hits))) >= source.Policy.MinimumObserved;
        foreach (IGrouping<SiteIdentity, CarriedSite> group in source.Carried.GroupBy(c => c.Identity))
        {
            if (!source.ByHand.Denies(group.Key) && Carry(group, entries.GetValueOrDefault(group.Key), seen, observedEnough, source.Policy) is { } entry)
                entries[group.Key] = entry;
        }
        Entry[] ordered = [.. entries.Values.OrderBy(e => e.Identity)];
        AnnotationList list = source.ByHand.Apply(new AnnotationList
        {
            Architecture = source.Architecture,
            Policy = source.Policy,
            Units = [.. ordered.Select(e => new UnitAnnotations(e.Identity.Unit,
                [new FunctionAnnotations(e.Identity.Function, e.Identity.Fingerprint, e.Sketch, [new Annotation(e.Identity.Ordinal, [.. e.Accesses], e.Instruction)])]))],
        }.Sorted());
        string body = AnnotationListWriter.Write(list);
        var provenance = new Provenance(list.BodyHash(), ToolVersion, [.. source.Images.Order()], [.. ordered.Select(e => e.Provenance)]);
        int refused = sites.Where(s => !s.IsAnnotated).Select(s => s.Observed.Key.Site).Distinct().Count();
        int annotations = list.Units.Sum(u => u.Functions.Sum(f => f.Sites.Count(s => s.Standing != Standing.Deny)));
        return new ListResult(body, ProvenanceWriter.Write(provenance), annotations, refused, [.. sites.Select(s => s.Verdict)]);
    }

    // What people deny is refused whatever was seen; what is listed already needs no second quorum.
    private static ResolvedSite Decide(ResolvedSite site, HashSet<SiteIdentity> carried, ByHandRules byHand)
    {
        if (!site.HasOrdinal)
            return site;
        if (site.IsAnnotated && byHand.Denies(IdentityOf(site)))
            return site with { Verdict = site.Verdict with { Refusal = Refusal.DeniedByHand.Name(), Detail = "" } };
        return site.Verdict.Refusal == Refusal.QuorumNotMet.Name() && carried.Contains(IdentityOf(site)) && !byHand.Denies(IdentityOf(site))
            ? site with { Verdict = site.Verdict with { Refusal = null, Detail = "" } }
            : site;
    }

    private static Entry? Carry(IGrouping<SiteIdentity, CarriedSite> group, Entry? observed, HashSet<SiteIdentity> seen, bool observedEnough, AnnotationPolicy policy)
    {
        AnnotatedAccess[] accesses = [.. group.SelectMany(c => c.Site.Accesses)];
        // Two sites of a changed function may have become one.
        CarriedSite carried = group.OrderByDescending(c => c.Provenance.Confidence).ThenBy(c => c.Provenance.Age).First();
        if (observed is not null)
            return observed with { Accesses = [.. observed.Accesses.Concat(accesses)] };
        int age = seen.Contains(group.Key) ? 0 : carried.Provenance.Age + (observedEnough ? 1 : 0);
        return policy.KeepBuilds > 0 && age >= policy.KeepBuilds
            ? null
            : new Entry(group.Key, carried.Sketch, carried.Site.Instruction, accesses, carried.Provenance with { Age = age });
    }

    // Several counts may belong to one instruction: two targets, or the load and the store of a string move.
    private static Entry EntryOf(IGrouping<SiteIdentity, ResolvedSite> group)
    {
        ResolvedSite first = group.MinBy(s => (s.Observed.Image, s.Observed.Address))!;
        return new Entry(group.Key, first.Code!.Sketch, first.Verdict.Instruction, [.. group.Select(AccessOf)], ProvenanceOf(group, first));
    }

    private static SiteIdentity IdentityOf(ResolvedSite site) => new(site.Unit, site.Code!.Name, site.Code.Fingerprint, site.Instruction.Ordinal);

    private static AnnotatedAccess AccessOf(ResolvedSite site) => new(site.Operation, site.Observed.Key.Size, site.Observed.Target);

    private static SiteProvenance ProvenanceOf(IGrouping<SiteIdentity, ResolvedSite> group, ResolvedSite first) => new(group.Key)
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
