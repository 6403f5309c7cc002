using Reheat.Core.Elf;
using Xunit;

namespace Reheat.Core.Tests.Elf;

/// <summary>Bytes: compressed, relocated, taken apart and put together again.</summary>
public sealed class ContentTests(ElfObjects objects)
{
    public static TheoryData<string> Objects => [.. ElfObjects.Names];

    [Fact]
    public void Compressed_sections_inflate_to_what_objcopy_inflates()
    {
        objects.Tools.Run("objcopy", "--decompress-debug-sections", "zlib64.o", "plain64.o");
        using ElfImage compressed = objects.Open("zlib64.o");
        using ElfImage plain = objects.Open("plain64.o");
        Assert.Contains(compressed.Sections, s => s.IsCompressed);
        foreach (ElfSection section in compressed.Sections.Where(s => s.IsCompressed))
            Assert.Equal(plain.FindSection(section.Name)!.Bytes.ToArray(), section.Bytes.ToArray());
        Assert.Empty(compressed.Diagnostics);
    }

    [Fact]
    public void Relocated_bytes_are_those_of_the_linker()
    {
        // Linked so that .text has the address of its file offset, all else equal.
        objects.Tools.Write("rel.c", "int f(void); int g(void) { return f() + 1; } void *const p[] __attribute__((section(\"table\"))) = { g, (char *)g + 3 };");
        objects.Tools.Gcc("rel.o", "-O2", "-c", "-fno-pic", "-mcmodel=kernel", "rel.c");
        using ElfImage image = objects.Open("rel.o");
        ElfSection table = image.FindSection("table")!;
        ulong g = Assert.Single(image.Functions.FindByName("g")).Start.Value;
        Assert.Equal([.. BitConverter.GetBytes(g), .. BitConverter.GetBytes(g + 3)], image.RelocatedBytes(table).ToArray());
        Assert.Equal(new byte[16], table.Bytes.ToArray());
        Assert.Equal(2, image.RelocationsOf(table).Length);
        Assert.Equal(1, image.RelocationsOf(table, 8, 8).Length);
        Assert.Equal(8u, image.RelocationsOf(table, 8, 8)[0].Offset);
    }

    [Theory]
    [MemberData(nameof(Objects))]
    public void An_image_rebuilt_from_its_skeleton_resolves_the_same(string name)
    {
        using ElfImage image = objects.Open(name);
        ElfSkeleton skeleton = image.ToSkeleton();
        Assert.True(ElfImage.TryFromSkeleton(skeleton, name, out ElfImage? rebuilt, out IReadOnlyList<Diagnostic> diagnostics));
        Assert.Empty(diagnostics);
        Assert.True(rebuilt.IsRebuilt);
        Assert.Equal(image.BuildId, rebuilt.BuildId);
        Assert.Equal(image.Sections.Select(s => s.ToString()), rebuilt.Sections.Select(s => s.ToString()));
        Assert.Equal(image.ExecutableRanges, rebuilt.ExecutableRanges);
        Assert.Equal(image.Segments, rebuilt.Segments);
        Assert.Equal(image.Functions.Select(f => (f.ToString(), f.FileName)), rebuilt.Functions.Select(f => (f.ToString(), f.FileName)));
        foreach (AddressRange range in image.ExecutableRanges)
        {
            for (ulong offset = 0; offset < range.Length; offset++)
            {
                Assert.Equal(image.FindFunction(range.Start + offset)?.ToString(), rebuilt.FindFunction(range.Start + offset)?.ToString());
                Assert.True(image.BytesAt(range.Start + offset, 16).SequenceEqual(rebuilt.BytesAt(range.Start + offset, 16)));
            }
        }
        ElfSection? data = rebuilt.FindSection(".debug_info");
        Assert.True(data is null || (data.IsAbsent && data.Bytes.IsEmpty));
        if (image.IsRelocatable)
        {
            foreach (ElfSection code in image.Sections.Where(s => s.IsExecutable))
                Assert.Equal(image.RelocationsOf(code), rebuilt.RelocationsOf(rebuilt.Sections[code.Index]));
        }
        // A skeleton of a skeleton is the same.
        ElfSkeleton again = rebuilt.ToSkeleton();
        Assert.Equal(skeleton.Header.ToArray(), again.Header.ToArray());
        Assert.Equal(skeleton.Sections.Keys, again.Sections.Keys);
    }

    [Fact]
    public void A_skeleton_with_foreign_bytes_says_so()
    {
        using ElfImage image = objects.Open("fixed64");
        ElfSkeleton skeleton = image.ToSkeleton();
        var sections = new Dictionary<int, ReadOnlyMemory<byte>>(skeleton.Sections);
        sections[image.FindSection(".text")!.Index] = new byte[3];
        Assert.True(ElfImage.TryFromSkeleton(skeleton with { Sections = sections }, "x", out _, out IReadOnlyList<Diagnostic> diagnostics));
        Assert.Equal([DiagnosticId.ElfBadSection], diagnostics.Select(d => d.Id));
    }

    [Fact]
    public void Memory_and_file_give_the_same_and_a_disposed_image_refuses()
    {
        byte[] bytes = File.ReadAllBytes(objects.PathOf("fixed64"));
        ElfImage image = ElfImage.FromBytes(bytes, "memory");
        using ElfImage file = objects.Open("fixed64");
        Assert.Equal(file.Functions.Select(f => f.ToString()), image.Functions.Select(f => f.ToString()));
        image.Dispose();
        Assert.Throws<ObjectDisposedException>(() => image.Sections[1].Bytes.Length);
        Assert.Throws<FileNotFoundException>(() => ElfImage.Open(objects.PathOf("no such file")));
        Assert.Throws<InvalidDataException>(() => ElfImage.Open(objects.PathOf("src/main.c")));
    }
}
