using Reheat.Core;
using Reheat.Core.Annotations;
using Reheat.Core.Elf;
using Reheat.Core.X86;

namespace Reheat.Assembler.Matching;

/// <summary>Finds listed sites in a freshly assembled object: exactly, drifted, or not at all.</summary>
internal sealed class SiteMatcher(ElfImage elf, FunctionReader reader)
{
    // Below, an alignment is more guess than match. A function under another name must be nearly the same.
    private const double SameOperand = 0.15;
    private const double LeastSimilarity = 0.3;
    private const double LeastSimilarityOfAnotherName = 0.7;

    private readonly Dictionary<ImageAddress, FunctionCode> _decoded = [];

    /// <summary>Decides all sites of a unit.</summary>
    public List<Site> Match(UnitAnnotations unit)
    {
        var sites = new List<Site>();
        foreach (IGrouping<string, FunctionAnnotations> group in unit.Functions.GroupBy(function => function.Name))
        {
            FunctionAnnotations[] listed = [.. group];
            IReadOnlyList<ElfFunction> candidates = [.. elf.Functions.FindByName(group.Key).Where(f => f.Section.IsExecutable)];
            // Without a unit only a global name, or the very code, says that it is the same function.
            if (unit.Name.Length == 0)
                candidates = [.. candidates.Where(c => !c.IsLocal || listed.Any(f => IsExact(f, Decode(c))))];
            // Versions of one function in a list: the one that is here is meant, the others are of builds that were.
            bool isAnyExact = listed.Any(f => candidates.Any(c => IsExact(f, Decode(c))));
            foreach (FunctionAnnotations function in listed)
                sites.AddRange(Match(unit.Name, function, candidates, isAnyExact && listed.Length > 1));
            foreach (FunctionAnnotations function in listed)
                Deny(sites.Where(s => s.Function.Name == group.Key), function);
        }
        return sites;
    }

    private FunctionCode Decode(ElfFunction function)
    {
        if (!_decoded.TryGetValue(function.Start, out FunctionCode? code))
            _decoded.Add(function.Start, code = reader.Decode(function));
        return code;
    }

    private static bool IsExact(FunctionAnnotations listed, FunctionCode code) =>
        !listed.Fingerprint.IsNone && (listed.Fingerprint == code.Fingerprint || listed.Fingerprint.SameShape(code.Fingerprint));

    private List<Site> Match(string unit, FunctionAnnotations function, IReadOnlyList<ElfFunction> candidates, bool isAnotherExact)
    {
        List<Site> sites = [.. function.Sites.Where(s => s.Standing != Standing.Deny).Select(s => new Site(unit, function, s))];
        ElfFunction[] exact = [.. candidates.Where(c => IsExact(function, Decode(c)))];
        if (exact.Length > 1)
            Lose(sites, Refusal.AmbiguousFunction, $"{exact.Length} functions of that name and code");
        else if (exact.Length == 1)
            MatchExactly(sites, exact[0]);
        else if (isAnotherExact)
            Lose(sites, Refusal.FunctionChanged, "the list has the present version of the function beside this one");
        else if (function.Fingerprint.IsNone)
            MatchByHand(sites, candidates);
        else
            MatchDrifted(unit, sites, function, candidates);
        return sites;
    }

    private void MatchExactly(List<Site> sites, ElfFunction found)
    {
        FunctionCode code = Decode(found);
        foreach (Site site in sites)
        {
            if (code.ByOrdinal(site.Annotation.Ordinal) is not { } instruction)
                site.Lose(Refusal.InstructionDiffers, $"the function has {code.Count} instructions");
            else if (site.Annotation.Instruction.Length > 0 && site.Annotation.Instruction != code.Text(instruction))
                site.Lose(Refusal.InstructionDiffers, code.Text(instruction));
            else
                site.Find(found, code, instruction, exact: true, 1);
        }
    }

    // Without fingerprint the person who wrote the line vouches for every version, as far as the instruction agrees.
    private void MatchByHand(List<Site> sites, IReadOnlyList<ElfFunction> candidates)
    {
        if (candidates.Count == 0)
            Lose(sites, Refusal.FunctionNotFound);
        else if (candidates.Count > 1)
            Lose(sites, Refusal.AmbiguousFunction, $"{candidates.Count} functions of that name, and the list has no fingerprint");
        else
            MatchExactly(sites, candidates[0]);
    }

    private void MatchDrifted(string unit, List<Site> sites, FunctionAnnotations function, IReadOnlyList<ElfFunction> candidates)
    {
        double least = LeastSimilarity;
        if (candidates.Count == 0 && unit.Length > 0)
        {
            candidates = [.. Relatives(function.Name)];
            least = LeastSimilarityOfAnotherName;
        }
        if (candidates.Count == 0)
        {
            Lose(sites, Refusal.FunctionNotFound);
            return;
        }
        if (function.Sketch.Elements.IsEmpty)
        {
            Lose(sites, Refusal.FunctionChanged, "the list has no sketch to find the site by");
            return;
        }
        (ElfFunction Function, SketchMatch[] Matches, double Similarity)[] aligned = [.. candidates.Select(c => Align(function, c)).OrderByDescending(a => a.Similarity)];
        if (aligned.Length > 1 && aligned[1].Similarity == aligned[0].Similarity)
        {
            Lose(sites, Refusal.AmbiguousFunction, $"{aligned.Length} functions are equally like it");
            return;
        }
        (ElfFunction found, SketchMatch[] matches, double similarity) = aligned[0];
        FunctionCode code = Decode(found);
        foreach (Site site in sites)
        {
            SketchMatch match = site.Annotation.Ordinal < matches.Length ? matches[site.Annotation.Ordinal] : SketchMatch.None;
            if (similarity < least)
                site.Lose(Refusal.FunctionChanged, $"similarity {similarity:0.00}");
            else if (code.ByOrdinal(match.Ordinal) is not { } instruction)
                site.Lose(Refusal.InstructionDiffers, "gone from the function");
            else if (!AccessText.IsSame(site.Annotation.Instruction, code.Text(instruction)))
                site.Lose(Refusal.InstructionDiffers, code.Text(instruction));
            else if (Confidence(site, match, code, instruction) is var confidence && confidence < SketchMatch.Trusted)
                site.Lose(Refusal.FunctionChanged, $"confidence {confidence:0.00}");
            else
                site.Find(found, code, instruction, exact: false, Math.Round(confidence, 2));
        }
        // Two old sites cannot be one new instruction: alignment keeps order, so they are not.
    }

    private (ElfFunction Function, SketchMatch[] Matches, double Similarity) Align(FunctionAnnotations listed, ElfFunction candidate)
    {
        CodeSketch now = Decode(candidate).Sketch;
        SketchMatch[] matches = SketchAlignment.Align(listed.Sketch, now);
        return (candidate, matches, SketchAlignment.Similarity(matches, now));
    }

    // Sketches tell loosely which registers and fields an instruction has; the list has the site's own text. The same operand by another
    // value's register is what a compiler makes of the same line of source.
    private static double Confidence(Site site, SketchMatch match, FunctionCode code, CodeInstruction instruction)
    {
        ReadOnlySpan<char> old = MemoryOperand(site.Annotation.Instruction), now = MemoryOperand(code.Text(instruction));
        return !old.IsEmpty && old.SequenceEqual(now) ? Math.Min(1, match.Confidence + SameOperand) : match.Confidence;
    }

    // 8(%rdi,%rax,4); nothing where the link decides the address.
    private static ReadOnlySpan<char> MemoryOperand(string text)
    {
        int open = text.IndexOf('(', StringComparison.Ordinal), close = text.IndexOf(')', StringComparison.Ordinal);
        if (open < 0 || close < open || text.Contains("sym", StringComparison.Ordinal))
            return [];
        int start = text.AsSpan(0, open).LastIndexOfAny(' ', ',') + 1;
        return text.AsSpan(start, close + 1 - start);
    }

    // f.cold is like f.cold.0, f like f.constprop.0 or f.isra.0; never f like f.cold.
    private IEnumerable<ElfFunction> Relatives(string name)
    {
        string plain = ElfFunction.BaseName(name);
        bool isCold = IsCold(name);
        return elf.Functions.Where(f => f.Section.IsExecutable && ElfFunction.BaseName(f.Name) == plain && IsCold(f.Name) == isCold);
    }

    private static bool IsCold(string name) => name.Contains(".cold", StringComparison.Ordinal);

    private static void Lose(List<Site> sites, Refusal refusal, string detail = "") => sites.ForEach(site => site.Lose(refusal, detail));

    private static void Deny(IEnumerable<Site> sites, FunctionAnnotations denying)
    {
        foreach (Annotation denial in denying.Sites.Where(s => s.Standing == Standing.Deny))
        {
            foreach (Site site in sites.Where(s => denying.Fingerprint.IsNone || denying.Fingerprint == s.Function.Fingerprint))
            {
                if (denial.Ordinal == Annotation.EveryOrdinal || denial.Ordinal == site.Annotation.Ordinal)
                    site.Refuse(Refusal.DeniedByHand);
            }
        }
    }
}
