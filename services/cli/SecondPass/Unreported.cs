using Reheat.Core.Annotations;
using Reheat.Core.Elf;
using Reheat.Core.X86;

namespace Reheat.Cli.SecondPass;

/// <summary>The listed sites that no assembled file reported: each is lost or refused for a reason that the tree tells.</summary>
internal static class Unreported
{
    /// <summary>The reason of sites whose object no assembler of ours made.</summary>
    public const string NotAssembled = "not-assembled";

    public static IEnumerable<SiteOutcome> Find(
        ListSlices slices, IReadOnlyDictionary<string, ScannedObject> objects, IReadOnlyList<SiteOutcome> reported, IReadOnlySet<string> unassembled,
        IReadOnlySet<string> left)
    {
        HashSet<(string, string)> told = [.. reported.Select(s => (s.Unit, s.Function))];
        ILookup<string, ScannedObject> byUnit = objects.Values.Where(o => o.Facts.Unit is not null).ToLookup(o => o.Facts.Unit!, StringComparer.Ordinal);
        ILookup<string, ScannedObject> byFile = objects.Values.Where(o => o.Facts.FileSymbol is not null).ToLookup(o => o.Facts.FileSymbol!, StringComparer.Ordinal);
        foreach (UnitAnnotations unit in slices.List.Units)
        {
            ScannedObject[] candidates = byUnit.Contains(unit.Name)
                ? [.. byUnit[unit.Name]]
                : [.. byFile[Path.GetFileName(unit.Name)].Where(o => o.Facts.Unit is null || !unit.Name.Contains('/', StringComparison.Ordinal))];
            bool anywhere = unit.Name is "*" or "";
            foreach (FunctionAnnotations function in unit.Functions)
            {
                if (told.Contains((unit.Name, function.Name)) || (anywhere && reported.Any(s => s.Function == function.Name)))
                    continue;
                ScannedObject? holder = (anywhere ? objects.Values : candidates.AsEnumerable()).FirstOrDefault(o => o.Facts.Functions.Contains(ElfFunction.BaseName(function.Name)));
                (string state, string reason, string detail) = Why(holder, candidates, unassembled, left, anywhere);
                foreach (Annotation site in function.Sites)
                {
                    if (site.Standing == Standing.Deny)
                        continue;
                    yield return new SiteOutcome((holder ?? candidates.FirstOrDefault())?.Path ?? "", unit.Name, function.Name, site.Ordinal, site.Instruction, state, "", 0, reason, detail);
                }
            }
        }
    }

    private static (string State, string Reason, string Detail) Why(
        ScannedObject? holder, ScannedObject[] candidates, IReadOnlySet<string> unassembled, IReadOnlySet<string> left, bool anywhere)
    {
        if (holder is { IsProtected: true })
            return ("refused", Refusal.ProtectedOutput.Name(), "");
        if (holder is not null && unassembled.Contains(holder.Path))
            return ("lost", NotAssembled, "its compiler did not run reheat-as: built without it, or by an integrated assembler (clang: -fno-integrated-as)");
        if (holder is not null && left.Contains(holder.Path))
            return ("lost", "not-rebuilt", "make did not build its object: no rule makes it from a source, or it is no part of what make was asked for");
        if (holder is not null)
            return ("lost", "not-reported", "reheat-as said nothing of it");
        return candidates.Length > 0 || anywhere
            ? ("lost", Refusal.FunctionNotFound.Name(), "the unit does not define it")
            : ("lost", "unit-not-in-tree", "no object of this tree is of that unit");
    }
}
