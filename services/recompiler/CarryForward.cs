using Reheat.Core;
using Reheat.Core.Annotations;
using Reheat.Core.Elf;
using Reheat.Core.X86;

namespace Reheat.Recompiler;

/// <summary>
/// Finds the sites of the list before in an image of the present build. An annotated site traps no more, so a list made of new traces
/// alone would drop it, and the next build would trap again (design, invariant 6).
/// </summary>
internal static class CarryForward
{
    // A function that is not there says nothing for the site, and nothing against it either: it may be in a module that was not registered.
    private const double NotFound = 0.5;

    /// <summary>The sites under the names that they have in this image; those that are not found keep the names they had.</summary>
    public static IEnumerable<CarriedSite> Place(ResolvedImage image, BuildId id, IEnumerable<CarriedSite> sites) => sites
        .GroupBy(s => (s.Identity.Unit, s.Identity.Function, s.Identity.Fingerprint))
        .SelectMany(group => Place(image, id, group.Key.Unit, group.Key.Function, [.. group]));

    /// <summary>Sites whose image the build has not.</summary>
    public static CarriedSite Keep(CarriedSite site) =>
        site with { Provenance = Unseen(site.Provenance) with { Confidence = Math.Min(site.Provenance.Confidence, NotFound) } };

    private static IEnumerable<CarriedSite> Place(ResolvedImage image, BuildId id, string unit, string name, CarriedSite[] sites)
    {
        Fingerprint fingerprint = sites[0].Identity.Fingerprint;
        (ElfFunction Function, FunctionCode Code)[] there = [.. image.Elf.Functions.FindByName(name)
            .Where(f => f.Name == name && image.UnitOf(f) == unit)
            .Select(f => (f, image.Decode(f)))];
        foreach ((ElfFunction function, FunctionCode code) in there)
        {
            if (code.Fingerprint == fingerprint)
                return sites.Select(s => At(s, image, id, function, code, s.Identity.Ordinal, 1));
        }
        (ElfFunction Function, FunctionCode Code)[] alike = [.. there.Where(f => f.Code.Fingerprint.SameShape(fingerprint))];
        if (alike.Length == 1)
            return sites.Select(s => At(s, image, id, alike[0].Function, alike[0].Code, s.Identity.Ordinal, 1));
        // Several changed functions of one name: which of them it was cannot be told.
        if (there.Length != 1)
            return sites.Select(Keep);
        (ElfFunction changed, FunctionCode now) = there[0];
        SketchMatch[] matches = SketchAlignment.Align(sites[0].Sketch, now.Sketch);
        return sites.Select(s => Match(matches, s, now) is { } match ? At(s, image, id, changed, now, match.Ordinal, match.Confidence) : Keep(s));
    }

    private static SketchMatch? Match(SketchMatch[] matches, CarriedSite site, FunctionCode code)
    {
        int ordinal = site.Identity.Ordinal;
        if ((uint)ordinal >= (uint)matches.Length || !matches[ordinal].IsFound || matches[ordinal].Confidence < SketchMatch.Trusted)
            return null;
        // Nothing is listed that the code there does not bear out: another field's access is another site, however alike.
        return code.ByOrdinal(matches[ordinal].Ordinal) is { } instruction && AccessText.IsSame(site.Site.Instruction, code.Text(instruction)) && site.Site.Accesses.All(a => instruction.Instruction.Allows(a.Operation, a.Size))
            ? matches[ordinal]
            : null;
    }

    private static CarriedSite At(CarriedSite site, ResolvedImage image, BuildId id, ElfFunction function, FunctionCode code, int ordinal, double confidence)
    {
        if (code.ByOrdinal(ordinal) is not { } instruction)
            return Keep(site);
        ImageAddress address = function.Start + (ulong)instruction.Offset;
        var identity = site.Identity with { Fingerprint = code.Fingerprint, Ordinal = ordinal };
        return new CarriedSite(identity, code.Sketch, site.Site with { Ordinal = ordinal, Instruction = code.Text(instruction) }, Unseen(site.Provenance) with
        {
            Site = identity,
            Image = id,
            Address = address,
            Offset = instruction.Offset,
            Confidence = Math.Min(site.Provenance.Confidence, confidence),
            Source = image.LineOf(address)?.ToString() ?? site.Provenance.Source,
        });
    }

    // Counts are those of the present build: a site that it did not see has none.
    private static SiteProvenance Unseen(SiteProvenance provenance) => provenance with { Traps = 0, Hits = 0, Elements = 0, Wedges = 0 };
}
