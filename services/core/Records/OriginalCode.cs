using Reheat.Core.Elf;
using Reheat.Core.X86;

namespace Reheat.Core.Records;

/// <summary>
/// A function of a self-testing image as it was before: each moved access in its place again and the thunks left out, so that its sites
/// have the identities that the list knows them by.
/// </summary>
public static class OriginalCode
{
    /// <summary>The function's bytes with what its sites' thunks hold; the same bytes if it has no thunk.</summary>
    public static FunctionBytes Restore(FunctionBytes bytes, ElfImage image, AnnotatedSites sites)
    {
        var range = new AddressRange(new ImageAddress(bytes.Address), new ImageAddress(bytes.Address + (ulong)bytes.Code.Length));
        var substitutes = new List<CodeSubstitute>();
        var uncounted = new List<(int, int)>();
        foreach (AnnotatedSite site in sites.In(range))
        {
            if (!site.HasThunk)
                continue;
            substitutes.Add(new CodeSubstitute(
                (int)(site.Start.Value - range.Start.Value), SelftestThunk.CodeAt(image, site.Access.Start, (int)site.Access.Length).ToArray(),
                site.Access.Start.Value, ReferencesIn(image, site.Access)));
            if (range.Contains(site.Thunk.Start))
                uncounted.Add(((int)(site.Thunk.Start.Value - range.Start.Value), (int)site.Thunk.Length));
        }
        return substitutes.Count == 0 ? bytes : bytes with { Substitutes = substitutes, Uncounted = uncounted };
    }

    private static List<CodeReference> ReferencesIn(ElfImage image, AddressRange access)
    {
        var references = new List<CodeReference>();
        if (!image.IsRelocatable || image.SectionAt(access.Start) is not { } section)
            return references;
        ulong start = access.Start.Value - section.Start.Value;
        foreach (ElfRelocation relocation in image.RelocationsOf(section, start, access.Length))
        {
            // An access' operand reads "sym" whatever its symbol; no name is needed.
            references.Add(new CodeReference((int)(relocation.Offset - start), null));
        }
        return references;
    }
}
