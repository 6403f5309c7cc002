using Microsoft.Extensions.Logging;
using Reheat.Core;
using Reheat.Core.Annotations;
using Reheat.Core.Elf;
using Reheat.Core.X86;
using Reheat.Store.Builds;
using Reheat.Store.Lists;

namespace Reheat.Recompiler;

/// <summary>The job "annotate": all that is counted of a build, and the list of the build before it → its list.</summary>
internal sealed class AnnotateJob(
    BuildStore builds, VerdictStore observed, AnnotationListStore lists, ByHandStore byHand, ImageLoader images, RecompilerOptions options, ILogger<AnnotateJob> log)
{
    public async Task<ListResult> RunAsync(long build, CancellationToken cancel)
    {
        BuildRow row = await builds.FindAsync(new BuildSelection(Build: build), cancel)
            ?? throw new InvalidOperationException($"build {build} is gone");
        string architecture = row.Images[0].Machine == (int)ElfMachine.X64 ? "x86-64" : "i386";
        ILookup<BuildId, ObservedSite> sites = (await observed.ObservedAsync(build, cancel)).ToLookup(s => s.Image);
        IReadOnlyList<CarriedSite> before = await lists.FindPreviousAsync(build, cancel) is { } previous ? CarriedSite.Read(previous, architecture, log) : [];
        IReadOnlyDictionary<BuildId, string> names = await builds.NamesAsync([.. before.Select(c => c.Provenance.Image).Where(id => !id.IsNone).Distinct()], cancel);
        ILookup<string, CarriedSite> carried = before.ToLookup(c => names.GetValueOrDefault(c.Provenance.Image, ""));

        var resolved = new List<ResolvedSite>();
        var placed = new List<CarriedSite>();
        foreach (ImageRow image in row.Images)
        {
            if (!sites.Contains(image.BuildId) && !carried.Contains(image.Name))
                continue;
            ResolvedImage? loaded = await images.LoadAsync(image.BuildId, image.Name, cancel);
            resolved.AddRange(sites[image.BuildId].Select(site => loaded is null
                ? SiteResolver.Refused(site, Refusal.OutsideImage, $"what is stored of {image.Name} cannot be read — register it again with `reheat builds add`")
                : SiteResolver.Resolve(loaded, site, options.Policy)));
            placed.AddRange(loaded is null ? carried[image.Name].Select(CarryForward.Keep) : CarryForward.Place(loaded, image.BuildId, carried[image.Name]));
        }
        HashSet<string> here = [.. row.Images.Select(i => i.Name)];
        placed.AddRange(before.Where(c => !here.Contains(names.GetValueOrDefault(c.Provenance.Image, ""))).Select(CarryForward.Keep));
        return ListBuilder.Build(new ListSource(
            resolved, placed, options.Policy, await RulesAsync(row.Series, cancel), architecture, [.. row.Images.Select(i => i.BuildId)]));
    }

    private async Task<ByHandRules> RulesAsync(string series, CancellationToken cancel) =>
        await byHand.FindAsync(series, cancel) is { } body ? new ByHandRules(AnnotationListReader.Read(body, $"by-hand list of {series}").List) : ByHandRules.None;
}
