using Reheat.Core.Annotations;

namespace Reheat.Recompiler;

/// <summary>Settings of a recompiler; bound from the section <c>Recompiler</c> and checked at start.</summary>
public sealed record RecompilerOptions
{
    /// <summary>Npgsql connection string.</summary>
    public string Database { get; init; } = "";

    /// <summary>A claimed job is given to another worker after so long without a sign of life.</summary>
    public TimeSpan Claim { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How often to look for jobs when no notification comes (one may be lost with its connection).</summary>
    public TimeSpan LookEvery { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>Traps that a site must have had.</summary>
    public long MinimumTraps { get; init; } = 1;

    /// <summary>Distinct wedges that must have seen a site.</summary>
    public int MinimumWedges { get; init; } = 1;

    /// <summary>How often to ask whether sites that were refused for want of a quorum have one by now; never if every site has one.</summary>
    public TimeSpan QuorumLookEvery { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Traps and hits that a build must have had to age what it did not execute.</summary>
    public long MinimumObserved { get; init; } = 1;

    /// <summary>Builds in a row, each observed enough, that may leave a site of the list unexecuted before it is dropped; 0: it is never dropped.</summary>
    public int KeepBuilds { get; init; }

    /// <summary>How much room the second pass gives to a site.</summary>
    public PaddingStyle Padding { get; init; }

    /// <summary>Whether the second pass annotates sensitive instructions (class 1) too.</summary>
    public bool ClassOne { get; init; }

    /// <summary>The policy that lists are made by, and say.</summary>
    internal AnnotationPolicy Policy => field ??= new AnnotationPolicy
    {
        Padding = Padding,
        MinimumTraps = MinimumTraps,
        MinimumWedges = MinimumWedges,
        MinimumObserved = MinimumObserved,
        KeepBuilds = KeepBuilds,
        ClassOne = ClassOne,
    };

    /// <summary>Throws with the setting's name and value if one makes no sense.</summary>
    public RecompilerOptions Validated()
    {
        Require(Database.Length > 0, nameof(Database), Database, "a PostgreSQL connection string is needed");
        Require(Claim >= TimeSpan.FromSeconds(1), nameof(Claim), Claim, "expected at least 1 s");
        Require(LookEvery >= TimeSpan.FromMilliseconds(10), nameof(LookEvery), LookEvery, "expected at least 10 ms");
        Require(MinimumTraps >= 1, nameof(MinimumTraps), MinimumTraps, "expected at least 1");
        Require(MinimumWedges >= 1, nameof(MinimumWedges), MinimumWedges, "expected at least 1");
        Require(MinimumObserved >= 1, nameof(MinimumObserved), MinimumObserved, "expected at least 1");
        Require(KeepBuilds >= 0, nameof(KeepBuilds), KeepBuilds, "expected 0 or more");
        Require(Enum.IsDefined(Padding), nameof(Padding), Padding, "expected Thunk, Inline or Selftest");
        Require(QuorumLookEvery >= TimeSpan.FromMilliseconds(10), nameof(QuorumLookEvery), QuorumLookEvery, "expected at least 10 ms");
        return this;
    }

    private static void Require(bool holds, string name, object value, string expected)
    {
        if (!holds)
            throw new InvalidOperationException($"Recompiler:{name} is \"{value}\": {expected}");
    }
}
