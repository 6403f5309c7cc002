using System.Text.Json;
using Reheat.Core.X86;

namespace Reheat.Cli.SecondPass;

/// <summary>What a pass left: the tree's new state, and what became of the sites.</summary>
internal sealed class PassOutcome
{
    private readonly ListSlices _slices;
    private readonly TreeState _before;
    private readonly SortedDictionary<string, ObjectState> _objects = new(StringComparer.Ordinal);
    private readonly HashSet<string> _unassembled = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Unit, string Function, int Ordinal), int> _listed;

    /// <param name="slices">The list.</param>
    /// <param name="plan">What was to be rebuilt.</param>
    /// <param name="before">The state until now.</param>
    /// <param name="objects">The tree until now.</param>
    /// <param name="now">The tree.</param>
    /// <param name="lines">What reheat-as reported.</param>
    /// <param name="left">Of the plan what make did not build.</param>
    /// <param name="isWhole">True if make ended well: no object is half-written, and none lacks what its rule does after the compiler.</param>
    public PassOutcome(
        ListSlices slices, PassPlan plan, TreeState before, IReadOnlyDictionary<string, ScannedObject> objects, IReadOnlyDictionary<string, ScannedObject> now,
        IReadOnlyDictionary<string, ReportLine> lines, IReadOnlySet<string> left, bool isWhole)
    {
        _slices = slices;
        _before = before;
        _listed = slices.List.Units
            .SelectMany(unit => unit.Functions.SelectMany(function => function.Sites.Select(site => (unit.Name, function.Name, site.Ordinal))))
            .CountBy(site => site).ToDictionary();
        foreach ((string path, ScannedObject found) in now)
        {
            if (found.Facts.Kind != ObjectKind.Single || found.IsProtected)
                continue;
            bool isNew = !objects.TryGetValue(path, out ScannedObject? old) || !old.IsUnchanged(found.File) || plan.Rebuild.Contains(path);
            if (!isNew || left.Contains(path))
                Keep(found);
            else if (isWhole)
                Take(found, lines.GetValueOrDefault(path));
            else if (plan.Rebuild.Contains(path))
                _objects[path] = new ObjectState(0, 0) { Dirty = true, Slice = slices.Hash(found.Facts), Report = lines.GetValueOrDefault(path)?.Json }; // perhaps whole, perhaps not
        }
        if (!isWhole)
        {
            foreach (string path in plan.Rebuild.Where(path => !now.ContainsKey(path)))
                _objects[path] = new ObjectState(0, 0) { Dirty = true };
        }
        State = before with { Objects = _objects };
        SiteOutcome[] reported = [.. _objects.Where(o => o.Value.Report is not null).SelectMany(o => ReportLine.Sites(o.Value.Report!.Value, o.Key))];
        Sites =
        [
            .. Losses(reported.Concat(Unreported.Find(slices, now, reported, _unassembled, left)))
                .OrderBy(s => s.Unit, StringComparer.Ordinal).ThenBy(s => s.Function, StringComparer.Ordinal).ThenBy(s => s.Ordinal).ThenBy(s => s.Path, StringComparer.Ordinal),
        ];
        ClassOneSites = _objects.Values.Where(o => o.Report is not null).Sum(o => new ReportLine("", o.Report!.Value).ClassOne);
        Diagnostics = [.. lines.Values.OrderBy(l => l.Path, StringComparer.Ordinal).SelectMany(l => l.Diagnostics.Select(d => $"{l.Path}: {d}"))];
    }

    /// <summary>To be written.</summary>
    public TreeState State { get; }

    public IReadOnlyList<SiteOutcome> Sites { get; }

    /// <summary>Listed sites that are annotated; one that several objects have counts once.</summary>
    public int Annotated => Count(s => s.State == "annotated");

    /// <summary>Those of <see cref="Annotated"/> whose function has changed.</summary>
    public int Drifted => Count(s => s is { State: "annotated", Match: "drifted" });

    public int ClassOneSites { get; }

    public IReadOnlyList<string> Diagnostics { get; }

    // A source that is compiled several times, or a function of a header, is in several objects: what one of them has is not lost in the others,
    // and what none has is lost once.
    private IEnumerable<SiteOutcome> Losses(IEnumerable<SiteOutcome> sites)
    {
        foreach (IGrouping<(string, string, int), SiteOutcome> site in sites.GroupBy(Key))
        {
            SiteOutcome[] found = [.. site.Where(s => s.State != "lost")];
            IEnumerable<SiteOutcome> lost = site.Where(s => s.State == "lost").OrderBy(s => s.Reason == Refusal.FunctionNotFound.Name());
            foreach (SiteOutcome outcome in found.Concat(lost.Take(Math.Max(0, Times(site.Key) - found.Length))))
                yield return outcome;
        }
    }

    private int Count(Func<SiteOutcome, bool> what) => Sites.Where(what).GroupBy(Key).Sum(site => Math.Min(site.Count(), Times(site.Key)));

    private static (string, string, int) Key(SiteOutcome site) => (site.Unit, site.Function, site.Ordinal);

    // A list names a site twice for two functions of one name.
    private int Times((string, string, int) site) => Math.Max(1, _listed.GetValueOrDefault(site));

    private ObjectState Old(string path) => _before.Objects.GetValueOrDefault(path) ?? new ObjectState(0, 0);

    private void Keep(ScannedObject found)
    {
        if (!_before.Objects.TryGetValue(found.Path, out ObjectState? known))
            return;
        if (known.Describes(found.File))
            _objects[found.Path] = known;
        else if (known.IsBefore(found.File) && known.Slice != ListSlices.Plain)
            _objects[found.Path] = known with { Dirty = false };
        else if (known.Dirty && !known.IsBefore(found.File))
            _objects[found.Path] = known; // half of an object, which make did not come to
    }

    private void Take(ScannedObject found, ReportLine? line)
    {
        string slice = _slices.Hash(found.Facts);
        if (slice == ListSlices.Plain)
            return;
        var state = new ObjectState(found.File.LastWriteTimeUtc.Ticks, found.File.Length) { Slice = slice };
        // A compiler cache returns an annotated object without running the assembler: what was said of the same slice holds.
        JsonElement? report = line?.Json ?? (Old(found.Path) is { Report: not null } old && old.Slice == slice ? old.Report : null);
        bool hasListed = found.Facts.Functions.Count > 0 && ListSlices.Sites(_slices.Select(found.Facts)) > 0;
        if (report is null && hasListed && !found.Facts.HasRecords)
            _unassembled.Add(found.Path); // stays plain, and is tried again the next time
        else
            _objects[found.Path] = state with { Report = report };
    }
}
