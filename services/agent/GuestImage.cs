using Reheat.Core;

namespace Reheat.Agent;

/// <summary>An image as a guest runs it.</summary>
/// <param name="BuildId">Its build-id.</param>
/// <param name="Name">For people.</param>
/// <param name="Bias">Guest address minus image address.</param>
/// <param name="Code">Executable ranges in image addresses, ends excluded.</param>
public sealed record GuestImage(BuildId BuildId, string Name, LoadBias Bias, IReadOnlyList<(ImageAddress Start, ImageAddress End)> Code);

/// <summary>Finds the image that a guest address belongs to.</summary>
public sealed class ImageTable
{
    private readonly (ulong Start, ulong End, int Image)[] _ranges;

    /// <summary>Takes the images; ranges must not overlap.</summary>
    /// <exception cref="AgentException">Two images claim the same address.</exception>
    public ImageTable(IReadOnlyList<GuestImage> images)
    {
        Images = images;
        _ranges = [.. images
            .SelectMany((image, index) => image.Code.Select(c =>
                (Start: unchecked(c.Start.Value + (ulong)image.Bias.Value), End: unchecked(c.End.Value + (ulong)image.Bias.Value), Image: index)))
            .Where(r => r.End > r.Start)
            .OrderBy(r => r.Start)];
        for (int i = 1; i < _ranges.Length; i++)
        {
            if (_ranges[i].Start < _ranges[i - 1].End && _ranges[i].Image != _ranges[i - 1].Image)
            {
                throw new AgentException(
                    $"images {images[_ranges[i - 1].Image].Name} and {images[_ranges[i].Image].Name} both claim address 0x{_ranges[i].Start:x} — check their load biases");
            }
        }
    }

    /// <summary>The images, as given.</summary>
    public IReadOnlyList<GuestImage> Images { get; }

    /// <summary>Index of the image that runs at <paramref name="ip"/>, or -1.</summary>
    public int Find(GuestAddress ip)
    {
        int low = 0, high = _ranges.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) / 2;
            if (ip.Value < _ranges[middle].Start)
                high = middle - 1;
            else if (ip.Value >= _ranges[middle].End)
                low = middle + 1;
            else
                return _ranges[middle].Image;
        }
        return -1;
    }
}
