using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Core;
using Reheat.Cli.Terminal;
using Reheat.Core;
using Reheat.Core.Dwarf;
using Reheat.Core.Elf;
using Reheat.Core.Records;
using Reheat.Store.Builds;
using Reheat.V1;
using NewImage = Reheat.V1.NewImage;

namespace Reheat.Cli.Client;

/// <summary>Takes images apart and uploads what resolving needs, as far as the collector lacks it.</summary>
internal static class BuildUpload
{
    public const string DefaultSeries = "local";

    private const int PieceBytes = 1 << 20;
    private const int ReportPieceSites = 500;

    private sealed record RawPart(PartKind Kind, int Index, byte[] Sha256, ReadOnlyMemory<byte> Bytes);

    /// <summary>Registers a build and returns it.</summary>
    public static Task<AddBuildResponse> RunAsync(
        Connection connection, Screen screen, IReadOnlyList<string> paths, string series, string label, CancellationToken cancel) =>
        RunAsync(connection, screen, paths, series, label, [], cancel);

    /// <summary>Registers a build with what the second pass that made it reported.</summary>
    public static Task<AddBuildResponse> RunAsync(
        Connection connection, Screen screen, IReadOnlyList<string> paths, string series, string label, IReadOnlyList<SecondPassSite> secondPass, CancellationToken cancel) =>
        screen.WithProgressAsync("reading images", async report =>
        {
            var images = new List<(NewImage Image, RawPart[] Parts)>();
            foreach (string path in paths)
            {
                report(0.3 * images.Count / paths.Count, $"reading {Path.GetFileName(path)}");
                images.Add(TakeApart(path, screen));
            }
            var ask = new MissingPartsRequest();
            ask.Sha256.AddRange(images.SelectMany(i => i.Parts).Select(p => ByteString.CopyFrom(p.Sha256)));
            MissingPartsResponse missing = await connection.Builds.MissingPartsAsync(ask, cancellationToken: cancel);
            HashSet<ByteString> wanted = [.. missing.Sha256];

            using AsyncClientStreamingCall<AddBuildRequest, AddBuildResponse> call = connection.Builds.Add(cancellationToken: cancel);
            long total = images.SelectMany(i => i.Parts).Where(p => wanted.Contains(ByteString.CopyFrom(p.Sha256))).Sum(p => (long)p.Bytes.Length);
            long sent = 0;
            try
            {
                await call.RequestStream.WriteAsync(new AddBuildRequest { Build = new NewBuild { Series = series, Label = label } }, cancel);
                foreach ((NewImage image, RawPart[] parts) in images)
                {
                    await call.RequestStream.WriteAsync(new AddBuildRequest { Image = image }, cancel);
                    foreach (RawPart part in parts.Where(p => wanted.Remove(ByteString.CopyFrom(p.Sha256))))
                    {
                        await SendAsync(call.RequestStream, part, cancel);
                        sent += part.Bytes.Length;
                        report(0.3 + (0.7 * sent / Math.Max(total, 1)), $"uploading {image.Name}: {Format.Bytes((ulong)sent)} of {Format.Bytes((ulong)total)}");
                    }
                }
                foreach (SecondPassSite[] sites in secondPass.Chunk(ReportPieceSites))
                    await call.RequestStream.WriteAsync(new AddBuildRequest { Report = new SecondPassReport { Sites = { sites } } }, cancel);
                await call.RequestStream.CompleteAsync();
            }
            catch (Exception e) when (e is InvalidOperationException or IOException or RpcException { StatusCode: StatusCode.Cancelled })
            {
                // The collector refused in mid-stream or went away; its answer below says which and why.
            }
            return await call.ResponseAsync;
        });

    private static (NewImage Image, RawPart[] Parts) TakeApart(string path, Screen screen)
    {
        using ElfImage elf = ImageFile.Open(path);
        ElfSkeleton skeleton = elf.ToSkeleton();
        var parts = new List<RawPart> { Raw(PartKind.Skeleton, 0, skeleton.Header), Raw(PartKind.Patched, 0, PatchedRanges.Read(elf).ToBytes()) };
        DwarfInfo dwarf = DwarfInfo.Read(elf);
        if (!dwarf.IsEmpty)
        {
            parts.Add(Raw(PartKind.Units, 0, UnitTable.From(dwarf).ToBytes()));
            parts.Add(Raw(PartKind.Lines, 0, SourceLineTable.From(dwarf).ToBytes()));
        }
        AnnotatedSites annotated = AnnotatedSites.Read(elf);
        foreach (Diagnostic diagnostic in annotated.Diagnostics)
            screen.Say(diagnostic.ToString());
        if (annotated.All.Count > 0)
            parts.Add(Raw(PartKind.Annotated, 0, annotated.ToBytes()));
        parts.AddRange(skeleton.Sections.Select(s => Raw(PartKind.Section, s.Key, s.Value)));
        var image = new NewImage
        {
            BuildId = ByteString.CopyFrom(elf.BuildId.ToBytes()),
            Name = Path.GetFileName(path),
            Machine = (uint)elf.Machine,
            FileSize = (ulong)elf.Length,
        };
        image.Parts.AddRange(parts.Select(p => new PartRef
        {
            Kind = p.Kind,
            Index = (uint)p.Index,
            Sha256 = ByteString.CopyFrom(p.Sha256),
            RawSize = (ulong)p.Bytes.Length,
        }));
        return (image, [.. parts]);
    }

    private static RawPart Raw(PartKind kind, int index, ReadOnlyMemory<byte> bytes) => new(kind, index, SHA256.HashData(bytes.Span), bytes);

    private static async Task SendAsync(IClientStreamWriter<AddBuildRequest> requests, RawPart part, CancellationToken cancel)
    {
        byte[] packed = PartStore.Pack(part.Bytes.Span);
        for (int at = 0; at == 0 || at < packed.Length; at += PieceBytes)
        {
            int length = Math.Min(PieceBytes, packed.Length - at);
            await requests.WriteAsync(
                new AddBuildRequest
                {
                    Part = new Part
                    {
                        Sha256 = ByteString.CopyFrom(part.Sha256),
                        RawSize = (ulong)part.Bytes.Length,
                        Packed = UnsafeByteOperations.UnsafeWrap(packed.AsMemory(at, length)),
                        Last = at + length >= packed.Length,
                    },
                }, cancel);
        }
    }
}
