using Reheat.Core.Annotations;
using Reheat.Core.Elf;

namespace Reheat.Core.Records;

/// <summary>A place of an image that can be rewritten: what the records of the image itself say of it.</summary>
/// <param name="Range">From the instruction to the end of its padding.</param>
/// <param name="Targets">Of the records that name it, in ordinal order; <see cref="ClassOne"/> for one in <c>.afterburn</c>.</param>
public sealed record AnnotatedSite(AddressRange Range, ValueList<string> Targets)
{
    /// <summary>Stands for the target in a record of a sensitive instruction: those need none.</summary>
    public const string ClassOne = "";

    /// <summary>The instruction's address; what the site is called by.</summary>
    public ImageAddress Start => Range.Start;

    /// <summary>First address after the padding.</summary>
    public ImageAddress End => Range.End;

    /// <summary>The out-of-line code that does the access (policy selftest); empty if the site does it itself.</summary>
    public AddressRange Thunk { get; init; }

    /// <summary>The instruction that does the access: in <see cref="Thunk"/>, or at <see cref="Start"/>.</summary>
    public AddressRange Access { get; init; }

    /// <summary>True if the access is done out of line.</summary>
    public bool HasThunk => !Thunk.IsEmpty;

    /// <summary>True if a record names the target, or none is needed.</summary>
    public bool Serves(string target) => Targets.Any(t => t == target || t == ClassOne);
}

/// <summary>Where a self-testing image counts the executions of a site.</summary>
/// <param name="Site">Start of the site.</param>
/// <param name="Counter">Address of its counter: a word of the image's data.</param>
public readonly record struct SelftestCounter(ImageAddress Site, ImageAddress Counter);
