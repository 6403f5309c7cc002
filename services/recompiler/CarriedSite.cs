using Microsoft.Extensions.Logging;
using Reheat.Core;
using Reheat.Core.Annotations;
using Reheat.Core.X86;
using Reheat.Store.Lists;

namespace Reheat.Recompiler;

/// <summary>A site of the list of the build before.</summary>
/// <param name="Identity">What it is called; by and by of the present build.</param>
/// <param name="Sketch">Of its function.</param>
/// <param name="Site">Its line.</param>
/// <param name="Provenance">Where it came from.</param>
internal sealed record CarriedSite(SiteIdentity Identity, CodeSketch Sketch, Annotation Site, SiteProvenance Provenance)
{
    /// <summary>What a list carries into the next one: what traces decided. What people decided is applied anew each time.</summary>
    public static IReadOnlyList<CarriedSite> Read(AnnotationListRow row, string architecture, ILogger log)
    {
        string place = $"list {row.Version} of build {row.Build}";
        AnnotationListResult read = AnnotationListReader.Read(row.Body, place);
        (Provenance provenance, IReadOnlyList<Diagnostic> faults) = ProvenanceReader.Read(row.Provenance, $"provenance of {place}");
        foreach (Diagnostic diagnostic in read.Diagnostics.Concat(faults))
            Log.BadInput(log, diagnostic.ToString());
        if (read.List.NormalVersion != FunctionCode.NormalVersion || read.List.Architecture != architecture)
        {
            Log.BadInput(log, $"{place} is not carried forward: architecture {read.List.Architecture} and normal form {read.List.NormalVersion}, this build has {architecture} and {FunctionCode.NormalVersion}");
            return [];
        }
        Dictionary<SiteIdentity, SiteProvenance> known = provenance.Sites.ToDictionary(s => s.Site);
        return [.. read.List.Units
            .SelectMany(unit => unit.Functions, (unit, function) => (unit, function))
            .SelectMany(f => f.function.Sites.Where(s => s.Standing == Standing.Listed), (f, site) =>
            {
                var identity = new SiteIdentity(f.unit.Name, f.function.Name, f.function.Fingerprint, site.Ordinal);
                return new CarriedSite(identity, f.function.Sketch, site, known.GetValueOrDefault(identity) ?? new SiteProvenance(identity));
            })];
    }
}
