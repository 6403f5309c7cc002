using Reheat.V1;

namespace Reheat.Cli.Terminal;

/// <summary>Said where nothing was observed of a build: perhaps the guest runs another image than the one that is registered.</summary>
internal static class UnregisteredHint
{
    public static void Say(Screen screen, IEnumerable<UnregisteredImage> images)
    {
        foreach (UnregisteredImage image in images)
        {
            screen.Say($"traces came from an image that no build has: build-id {image.BuildId}, {Format.Count(image.Traps, "trap")} at " +
                $"{Format.Count(image.Sites, "site")} — register the image that the guest runs with `reheat builds add`");
        }
    }
}
