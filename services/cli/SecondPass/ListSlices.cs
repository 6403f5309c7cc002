using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using Reheat.Core.Annotations;
using Reheat.Core.Elf;

namespace Reheat.Cli.SecondPass;

/// <summary>
/// Which part of a list concerns an object, and that part's hash: an object must be rebuilt if and only if it changed. Settings that only
/// decide what a list takes up (<c>traps=</c>, <c>keep=</c> …) change no object and are left out of it.
/// </summary>
internal sealed partial class ListSlices
{
    /// <summary>The slice of an object that has nothing to annotate.</summary>
    public const string Plain = "";

    // Raised when reheat-as comes to make other objects of the same list. Not its own hash, as for compiler caches: every update of Reheat
    // would rebuild every annotated object then, and objects that an earlier one annotated have passed the same checks.
    private const int Generation = 1;

    private readonly Dictionary<string, UnitAnnotations> _units;
    private readonly ILookup<string, UnitAnnotations> _byFile;
    private readonly UnitAnnotations[] _anywhere;
    private readonly HashSet<string> _functions;

    public ListSlices(AnnotationList list, string? padding, bool classOne)
    {
        List = list;
        ClassOne = classOne || list.Policy.ClassOne;
        Padding = padding ?? PaddingWord().Match(list.Policy.ToString()).Groups[1].Value;
        _units = list.Units.ToDictionary(unit => unit.Name, StringComparer.Ordinal);
        _anywhere = [.. list.Units.Where(unit => unit.Name is "*" or "")];
        _byFile = list.Units.Where(unit => unit.Name is not ("*" or "")).ToLookup(unit => Path.GetFileName(unit.Name), StringComparer.Ordinal);
        _functions = [.. list.Units.SelectMany(unit => unit.Functions).Select(function => ElfFunction.BaseName(function.Name))];
    }

    public AnnotationList List { get; }

    /// <summary><c>thunk</c>, <c>inline</c> or <c>selftest</c>.</summary>
    public string Padding { get; }

    /// <summary>Whether class-1 instructions are annotated.</summary>
    public bool ClassOne { get; }

    /// <summary>All functions that it names, by their base names.</summary>
    public IReadOnlySet<string> Functions => _functions;

    /// <summary>Whether an object with this file symbol can be of a listed unit. Assembly source has none.</summary>
    public bool IsCandidate(string? fileSymbol) => fileSymbol is null ? _units.Count > 0 : _byFile.Contains(Path.GetFileName(fileSymbol));

    /// <summary>
    /// What concerns an object. A unit named by its path counts whole; one named by the bare file name, as without debug information, or
    /// by none only where the object defines the function, since many files may have that name.
    /// </summary>
    public IReadOnlyList<UnitAnnotations> Select(ObjectFacts facts)
    {
        var selected = new List<UnitAnnotations>();
        if (facts.Unit is not null && _units.TryGetValue(facts.Unit, out UnitAnnotations? exact))
            selected.Add(exact);
        IEnumerable<UnitAnnotations> loose = _anywhere;
        if (facts.FileSymbol is not null)
            loose = loose.Concat(_byFile[facts.FileSymbol].Where(unit => facts.Unit is null || !unit.Name.Contains('/', StringComparison.Ordinal)));
        foreach (UnitAnnotations unit in loose)
        {
            if (selected.Contains(unit))
                continue;
            FunctionAnnotations[] defined = [.. unit.Functions.Where(function => facts.Functions.Contains(ElfFunction.BaseName(function.Name)))];
            if (defined.Length > 0)
                selected.Add(unit with { Functions = [.. defined] });
        }
        return selected;
    }

    /// <summary>The hash of what concerns an object; <see cref="Plain"/> if there is nothing to do in it.</summary>
    public string Hash(ObjectFacts facts)
    {
        IReadOnlyList<UnitAnnotations> selected = facts.Architecture == List.Architecture ? Select(facts) : [];
        bool annotates = selected.Any(unit => unit.Functions.Any(function => function.Sites.Any(site => site.Standing != Standing.Deny)));
        if (!annotates && !(ClassOne && facts.Architecture == List.Architecture))
            return Plain;
        string text = $"""
            generation {Generation}
            padding {Padding}
            class1 {ClassOne}
            {AnnotationListWriter.Write(List with { Policy = new AnnotationPolicy(), Units = [.. selected] })}
            """;
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
    }

    /// <summary>How many sites of these units are to be annotated.</summary>
    public static int Sites(IEnumerable<UnitAnnotations> units) =>
        units.Sum(unit => unit.Functions.Sum(function => function.Sites.Count(site => site.Standing != Standing.Deny)));

    [GeneratedRegex(@"\bpadding=(\S+)")]
    private static partial Regex PaddingWord();
}
