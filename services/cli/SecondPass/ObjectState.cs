using System.Text.Json;
using System.Text.Json.Serialization;

namespace Reheat.Cli.SecondPass;

/// <summary>What is known of one object of the tree.</summary>
/// <param name="Modified">Its modification time in ticks when it was seen last.</param>
/// <param name="Size">Its bytes.</param>
internal sealed record ObjectState(long Modified, long Size)
{
    /// <summary>True from before make is to build it anew until it is known to be whole again: another file in its place is not trusted.</summary>
    public bool Dirty { get; init; }

    /// <summary>The slice (<see cref="ListSlices.Hash"/>) that it was built with.</summary>
    public string Slice { get; init; } = ListSlices.Plain;

    /// <summary>What reheat-as reported of it; null if it made nothing to report.</summary>
    public JsonElement? Report { get; init; }

    /// <summary>True if the file is still the one that this was written about.</summary>
    public bool Describes(FileInfo file) => !Dirty && file.LastWriteTimeUtc.Ticks == Modified && file.Length == Size;

    /// <summary>True if the file is the one that was to be built anew, and make never came to it: whole, but perhaps aged.</summary>
    public bool IsBefore(FileInfo file) =>
        Dirty && Modified != 0 && file.Length == Size && (file.LastWriteTimeUtc.Ticks == Modified || file.LastWriteTimeUtc == DateTime.UnixEpoch);
}

/// <summary>The state of a tree, by path relative to its root: the objects that are annotated or were about to be rebuilt. Others are plain.</summary>
internal sealed record TreeState
{
    /// <summary>Of this file's format.</summary>
    public const int FormatVersion = 1;

    public int Reheat { get; init; } = FormatVersion;

    /// <summary>In order of path, so that states compare.</summary>
    public SortedDictionary<string, ObjectState> Objects { get; init; } = new(StringComparer.Ordinal);
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingDefault)]
[JsonSerializable(typeof(TreeState))]
internal sealed partial class TreeStateJson : JsonSerializerContext;
