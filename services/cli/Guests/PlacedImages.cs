using Reheat.Agent;
using Reheat.Cli.Client;
using Reheat.Core;
using Reheat.Core.Elf;

namespace Reheat.Cli.Guests;

/// <summary>A guest's images with their files, in the places that the command line or the guest's kernel tells.</summary>
internal sealed class PlacedImages : IDisposable
{
    private readonly List<ElfImage> _opened = [];
    private readonly List<GuestImage> _images = [];
    private readonly List<ElfImage> _files = [];

    private PlacedImages()
    {
    }

    /// <summary>The images; one that is loaded in parts stands here once for each.</summary>
    public IReadOnlyList<GuestImage> Images => _images;

    /// <summary>The file of each.</summary>
    public IReadOnlyList<ElfImage> Files => _files;

    /// <summary>Opens the images. A bias of the command line goes before what the hints say.</summary>
    public static PlacedImages Open(IEnumerable<string> arguments, IReadOnlyList<KernelHints> hints)
    {
        var placed = new PlacedImages();
        try
        {
            foreach (string argument in arguments)
                placed.Add(argument, hints);
            return placed;
        }
        catch
        {
            placed.Dispose();
            throw;
        }
    }

    private void Add(string argument, IReadOnlyList<KernelHints> hints)
    {
        (string path, LoadBias bias) = GuestImages.Split(argument);
        ElfImage elf = ImageFile.Open(path);
        _opened.Add(elf);
        bool given = argument.Length > path.Length;
        IReadOnlyList<(LoadBias Bias, IReadOnlyList<(ImageAddress Start, ImageAddress End)> Code)> places =
            (given ? null : hints.Select(h => h.PlacesOf(elf, path)).FirstOrDefault(p => p is not null))
            ?? [(bias, [.. elf.ExecutableRanges.Select(r => (r.Start, r.End))])];
        foreach ((LoadBias at, IReadOnlyList<(ImageAddress Start, ImageAddress End)> code) in places)
        {
            _images.Add(new GuestImage(elf.BuildId, Path.GetFileName(path), at, code));
            _files.Add(elf);
        }
    }

    public void Dispose() => _opened.ForEach(e => e.Dispose());
}
