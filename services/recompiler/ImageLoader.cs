using Microsoft.Extensions.Logging;
using Reheat.Core;
using Reheat.Core.Dwarf;
using Reheat.Core.Elf;
using Reheat.Core.Records;
using Reheat.Store.Builds;

namespace Reheat.Recompiler;

/// <summary>Puts images together from the parts in the database; keeps the few that were used last. One job at a time.</summary>
internal sealed class ImageLoader(BuildStore builds, PartStore parts, ILogger<ImageLoader> log) : IDisposable
{
    // reheat.v1.PartKind; the recompiler does not speak gRPC.
    private const short Skeleton = 1, Section = 2, Units = 3, Patched = 4, Lines = 5, Annotated = PartReference.Annotated;

    private const int Kept = 4;

    private readonly List<(BuildId Id, string Parts, ResolvedImage Image)> _kept = [];

    /// <summary>The image, or null if what is stored of it cannot be read (said in the log).</summary>
    public async Task<ResolvedImage?> LoadAsync(BuildId id, string name, CancellationToken cancel)
    {
        IReadOnlyList<PartReference> references = await builds.PartsOfAsync(id, cancel);
        string version = string.Join(',', references.Select(p => $"{p.Kind}.{p.Index}.{Convert.ToHexStringLower(p.Sha256)}"));
        int known = _kept.FindIndex(k => k.Id == id && k.Parts == version);
        if (known >= 0)
            return _kept[known].Image;

        ReadOnlyMemory<byte> header = default;
        var sections = new Dictionary<int, ReadOnlyMemory<byte>>();
        UnitTable? units = null;
        SourceLineTable? lines = null;
        PatchedRanges? patched = null;
        AnnotatedSites? annotated = null;
        foreach (PartReference part in references)
        {
            byte[] bytes = await parts.ReadAsync(part.Sha256, cancel);
            bool readable = part.Kind switch
            {
                Skeleton => (header = bytes).Length > 0,
                Section => sections.TryAdd(part.Index, bytes),
                Units => UnitTable.TryFromBytes(bytes, out units),
                Lines => SourceLineTable.TryFromBytes(bytes, out lines),
                Patched => PatchedRanges.TryFromBytes(bytes, out patched),
                Annotated => AnnotatedSites.TryFromBytes(bytes, out annotated),
                _ => false,
            };
            if (!readable)
                Log.BadInput(log, $"image {name} {id.Short}: part {part.Kind}.{part.Index} cannot be read — register the image again with this version's `reheat builds add`");
        }
        if (!ElfImage.TryFromSkeleton(new ElfSkeleton(header, sections), name, out ElfImage? elf, out IReadOnlyList<Diagnostic> diagnostics))
        {
            foreach (Diagnostic diagnostic in diagnostics)
                Log.BadInput(log, diagnostic.ToString());
            return null;
        }
        var image = new ResolvedImage(elf, patched ?? PatchedRanges.Read(elf), units, lines, annotated ?? AnnotatedSites.None);
        _kept.RemoveAll(k => k.Id == id);
        if (_kept.Count == Kept)
        {
            _kept[0].Image.Dispose();
            _kept.RemoveAt(0);
        }
        _kept.Add((id, version, image));
        return image;
    }

    public void Dispose()
    {
        foreach ((_, _, ResolvedImage image) in _kept)
            image.Dispose();
    }
}
