using Reheat.Core;
using Reheat.Core.Annotations;
using Reheat.Core.Elf;
using Reheat.Core.X86;
using Reheat.Store.Builds;
using Reheat.Store.Lists;

namespace Reheat.Recompiler;

/// <summary>The job "annotate": all that is counted of a build → its list.</summary>
internal sealed class AnnotateJob(BuildStore builds, VerdictStore observed, ImageLoader images, RecompilerOptions options)
{
    public async Task<ListResult> RunAsync(long build, CancellationToken cancel)
    {
        BuildRow row = await builds.FindAsync(new BuildSelection(Build: build), cancel)
            ?? throw new InvalidOperationException($"build {build} is gone");
        var policy = new AnnotationPolicy { MinimumTraps = options.MinimumTraps, MinimumWedges = options.MinimumWedges };
        IReadOnlyList<ObservedSite> sites = await observed.ObservedAsync(build, cancel);
        var resolved = new List<ResolvedSite>(sites.Count);
        foreach (IGrouping<BuildId, ObservedSite> group in sites.GroupBy(s => s.Image))
        {
            string name = row.Images.First(i => i.BuildId == group.Key).Name;
            ResolvedImage? image = await images.LoadAsync(group.Key, name, cancel);
            resolved.AddRange(group.Select(site => image is null
                ? SiteResolver.Refused(site, Refusal.OutsideImage, $"what is stored of {name} cannot be read — register it again with `reheat builds add`")
                : SiteResolver.Resolve(image, site, policy)));
        }
        string architecture = row.Images[0].Machine == (int)ElfMachine.X64 ? "x86-64" : "i386";
        return ListBuilder.Build(resolved, policy, architecture, row.Images.Select(i => i.BuildId));
    }
}
