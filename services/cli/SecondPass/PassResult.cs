namespace Reheat.Cli.SecondPass;

/// <summary>How a second pass ended: what its report says.</summary>
internal sealed record PassResult
{
    public required string Tree { get; init; }

    public required string List { get; init; }

    public required string Padding { get; init; }

    public required bool ClassOne { get; init; }

    /// <summary>Of make; 128 + its number for a signal.</summary>
    public required int MakeExitCode { get; init; }

    /// <summary>False if the tree's new state could not be written: the next pass does this one's work again.</summary>
    public required bool IsRecorded { get; init; }

    /// <summary>Objects of the tree that a second pass may rebuild.</summary>
    public required int Objects { get; init; }

    /// <summary>Those that make built anew: as their part of the list changed, or for reasons of its own.</summary>
    public required int Rebuilt { get; init; }

    /// <summary>Sites that the list has.</summary>
    public required int Listed { get; init; }

    /// <summary>Listed sites that are annotated; one that several objects have counts once.</summary>
    public required int Annotated { get; init; }

    /// <summary>Those of <see cref="Annotated"/> whose function has changed.</summary>
    public required int Drifted { get; init; }

    /// <summary>Class-1 instructions annotated.</summary>
    public required int ClassOneSites { get; init; }

    /// <summary>What became of every site, by path, function and ordinal.</summary>
    public required IReadOnlyList<SiteOutcome> Sites { get; init; }

    /// <summary>What reheat-as complained of.</summary>
    public required IReadOnlyList<string> Diagnostics { get; init; }

    /// <summary>Reading the tree and the list.</summary>
    public required double ScanSeconds { get; init; }

    public required double MakeSeconds { get; init; }

    public required double Seconds { get; init; }

    public int Kept => Objects - Rebuilt;

    public int Refused => Sites.Count(s => s.State == "refused");

    public int Lost => Sites.Count(s => s.State == "lost");

    /// <summary>How many sites of a state for each reason, most first.</summary>
    public IReadOnlyList<(string Reason, int Count)> Reasons(string state) =>
    [
        .. Sites.Where(s => s.State == state).GroupBy(s => s.Reason)
            .Select(g => (Reason: g.Key, Count: g.Count()))
            .OrderByDescending(g => g.Count).ThenBy(g => g.Reason, StringComparer.Ordinal),
    ];
}
