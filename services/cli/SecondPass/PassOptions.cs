namespace Reheat.Cli.SecondPass;

/// <summary>What a second pass was asked to do.</summary>
/// <param name="Arguments">For make.</param>
internal sealed record PassOptions(IReadOnlyList<string> Arguments)
{
    /// <summary>The directory with the objects, as named; null: as make's arguments say, else the current one.</summary>
    public string? Directory { get; init; }

    /// <summary>The padding policy, over the list's own.</summary>
    public string? Policy { get; init; }

    /// <summary>Class-1 instructions too, whatever the list says.</summary>
    public bool ClassOne { get; init; }

    /// <summary>The program.</summary>
    public string Make { get; init; } = "make";

    /// <summary>How long to wait for another pass or build in the tree.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>The list's text and what messages call it.</summary>
    public required (byte[] Utf8, string Name) List { get; init; }
}
