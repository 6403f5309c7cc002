namespace Reheat.Core.Annotations;

/// <summary>Where a list came from: beside the body, as it changes from run to run while the body stays.</summary>
/// <param name="BodyHash">Of the list it belongs to (<see cref="AnnotationList.BodyHash"/>).</param>
/// <param name="Tool">Version of what made it.</param>
/// <param name="Images">Build-ids of the images that were traced, in order.</param>
/// <param name="Sites">In order of identity.</param>
public sealed record Provenance(string BodyHash, string Tool, ValueList<BuildId> Images, ValueList<SiteProvenance> Sites);

/// <summary>Where one annotation came from.</summary>
/// <param name="Site">Which.</param>
public sealed record SiteProvenance(SiteIdentity Site)
{
    /// <summary>The image that it was last seen in.</summary>
    public BuildId Image { get; init; }

    /// <summary>There, in that image.</summary>
    public ImageAddress Address { get; init; }

    /// <summary>Bytes from the function's start, for the reader.</summary>
    public int Offset { get; init; }

    /// <summary>Executions that trapped.</summary>
    public long Traps { get; init; }

    /// <summary>Executions that did not, being annotated already.</summary>
    public long Hits { get; init; }

    /// <summary>Elements moved by trapped string instructions; equals <see cref="Traps"/> for others.</summary>
    public long Elements { get; init; }

    /// <summary>Distinct wedges that reported it, estimated.</summary>
    public double Wedges { get; init; }

    /// <summary>0 to 1: how surely the site was found again; 1 where the fingerprint agreed.</summary>
    public double Confidence { get; init; } = 1;

    /// <summary>Observed builds in a row that neither trapped nor hit it.</summary>
    public int Age { get; init; }

    /// <summary><c>file:line</c>, if known.</summary>
    public string? Source { get; init; }
}
