using Reheat.Core;
using Reheat.V1;

namespace Reheat.Collector.Ingest;

/// <summary>The rules that traces.proto states for a hello.</summary>
internal static class HelloCheck
{
    private const int MaxRings = 4096;
    private const int MaxImages = 4096;
    private const int MaxText = 200;

    /// <summary>What is wrong, or null.</summary>
    public static string? Wrong(Hello hello) => hello switch
    {
        { Wedge.Length: 0 or > MaxText } => $"hello.wedge has {hello.Wedge.Length} characters: expected 1 to {MaxText}",
        { Kind.Length: > MaxText } or { Version.Length: > MaxText } or { Host.Length: > MaxText } or { Guest.Length: > MaxText } =>
            $"hello of wedge {hello.Wedge}: kind, version, host and guest have at most {MaxText} characters",
        _ when HasControl(hello.Wedge) || HasControl(hello.Guest) || HasControl(hello.Host) || HasControl(hello.Kind) || HasControl(hello.Version) =>
            "hello holds control characters in a name",
        { Epoch: 0 } => "hello.epoch is 0: expected a random number",
        { Agent: 0 } => "hello.agent is 0: expected a random number",
        { EpochUnixNs: <= 0 } => $"hello.epoch_unix_ns is {hello.EpochUnixNs}: expected nanoseconds since 1970",
        { Rings.Count: 0 or > MaxRings } => $"hello names {hello.Rings.Count} rings: expected 1 to {MaxRings}",
        _ when hello.Rings.Any(r => r > int.MaxValue) => "hello names a ring beyond 2^31",
        _ when hello.Rings.Distinct().Count() != hello.Rings.Count => "hello names a ring twice",
        { Images.Count: > MaxImages } => $"hello names {hello.Images.Count} images: at most {MaxImages}",
        _ => hello.Images.FirstOrDefault(i => i.BuildId.Length is 0 or > BuildId.MaxLength) is { } image
            ? $"hello: image {image.Name} has a build-id of {image.BuildId.Length} bytes: expected 1 to {BuildId.MaxLength}"
            : null,
    };

    private static bool HasControl(string text) => text.Any(char.IsControl);
}
