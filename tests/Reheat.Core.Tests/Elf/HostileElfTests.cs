using System.Buffers.Binary;
using Reheat.Core.Dwarf;
using Reheat.Core.Elf;
using Xunit;

namespace Reheat.Core.Tests.Elf;

/// <summary>Whatever the bytes are: no exception, no allocation out of proportion, an answer or a diagnostic.</summary>
public sealed class HostileElfTests(ElfObjects objects)
{
    // Section header fields of ELF64.
    private const int Link = 40, Info = 44, Offset = 24, Size = 32, Flags = 8, Type = 4, EntrySize = 56;

    public static TheoryData<string> Objects => [.. ElfObjects.Names];

    [Theory]
    [MemberData(nameof(Objects))]
    public void Cut_anywhere_it_is_read_as_far_as_it_goes(string name)
    {
        byte[] bytes = File.ReadAllBytes(objects.PathOf(name));
        using ElfImage whole = objects.Open(name);
        var cuts = new SortedSet<long>(Enumerable.Range(0, 130).Select(i => (long)i));
        foreach (ElfSection section in whole.Sections.Where(s => !s.IsNoBits))
            cuts.UnionWith([(long)section.Offset, (long)section.Offset + 1, (long)(section.Offset + section.Size) - 1]);
        for (int i = 0; i < 40; i++)
            cuts.Add(bytes.Length - 1 - i * 13);
        foreach (long cut in cuts.Where(c => c >= 0 && c < bytes.Length))
            Assert.NotEmpty(Exercise(bytes.AsMemory(0, (int)cut)));
    }

    [Theory]
    [MemberData(nameof(Objects))]
    public void Flipped_bytes_are_data(string name)
    {
        byte[] original = File.ReadAllBytes(objects.PathOf(name));
        var random = new Random(name.Length);
        for (int round = 0; round < 400; round++)
        {
            byte[] bytes = [.. original];
            for (int flips = random.Next(1, 12); flips > 0; flips--)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            // Half of the rounds hit the headers, where a flip does most.
            if (round % 2 == 0)
                bytes[random.Next(64)] = (byte)random.Next(256);
            else
                bytes[bytes.Length - 1 - random.Next(Math.Min(1500, bytes.Length))] = (byte)random.Next(256);
            Exercise(bytes);
        }
    }

    [Fact]
    public void Noise_behind_a_valid_header_is_data()
    {
        byte[] header = File.ReadAllBytes(objects.PathOf("fixed64"))[..64];
        var random = new Random(5);
        for (int round = 0; round < 300; round++)
        {
            byte[] bytes = new byte[4000];
            random.NextBytes(bytes);
            header.CopyTo(bytes, 0);
            BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(40), random.Next(64, 200));
            BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(60), (ushort)random.Next(1, 60));
            Exercise(bytes);
        }
    }

    [Theory]
    [InlineData(".symtab", Size, ulong.MaxValue)]
    [InlineData(".symtab", Size, 1UL << 40)]
    [InlineData(".symtab", Offset, ulong.MaxValue - 7)]
    [InlineData(".symtab", Link, 0x7fffffffUL)]
    [InlineData(".symtab", EntrySize, 7UL)]
    [InlineData(".strtab", Size, 1UL << 62)]
    [InlineData(".shstrtab", Offset, 1UL << 63)]
    [InlineData(".text", Size, ulong.MaxValue)]
    [InlineData(".text", 16, ulong.MaxValue - 3)]
    [InlineData(".note.gnu.build-id", Size, 0xffffffffUL)]
    [InlineData(".debug_info", Size, 1UL << 33)]
    [InlineData(".debug_info", Flags, 0x800UL)]
    [InlineData(".debug_line", Flags, 0x800UL)]
    [InlineData(".debug_abbrev", Type, 8UL)]
    public void Huge_and_wrong_header_fields_are_diagnosed(string section, int field, ulong value)
    {
        byte[] bytes = Patch("fixed64", section, field, value);
        Assert.NotEmpty(Exercise(bytes));
    }

    [Fact]
    public void Circular_links_and_a_table_of_itself_end()
    {
        using ElfImage image = objects.Open("fixed64");
        int symbols = image.FindSection(".symtab")!.Index;
        Exercise(Patch("fixed64", ".symtab", Link, (ulong)symbols));
        Exercise(Patch("fixed64", ".strtab", Link, (ulong)symbols));
        Exercise(Patch("object64.o", ".rela.text", Info, (ulong)objects.Open("object64.o").FindSection(".rela.text")!.Index));
    }

    [Theory]
    [InlineData(0xffffffffu, 4u)]
    [InlineData(4u, 0xffffffffu)]
    [InlineData(0xfffffff0u, 0xfffffff0u)]
    [InlineData(0xfffffffdu, 20u)]
    public void Notes_of_four_gigabytes_are_diagnosed(uint nameSize, uint size)
    {
        byte[] bytes = File.ReadAllBytes(objects.PathOf("fixed64"));
        using ElfImage image = objects.Open("fixed64");
        Span<byte> note = bytes.AsSpan((int)image.FindSection(".note.gnu.build-id")!.Offset);
        BinaryPrimitives.WriteUInt32LittleEndian(note, nameSize);
        BinaryPrimitives.WriteUInt32LittleEndian(note[4..], size);
        using ElfImage broken = ElfImage.FromBytes(bytes, "notes");
        Assert.True(broken.BuildId.IsNone);
        Assert.Equal([DiagnosticId.ElfBadNote, DiagnosticId.ElfNoBuildId], broken.Diagnostics.Select(d => d.Id));
    }

    [Fact]
    public void A_decompression_bomb_is_refused_before_it_is_believed()
    {
        byte[] zeros = new byte[100 << 20];
        using var stream = new MemoryStream();
        using (var zlib = new System.IO.Compression.ZLibStream(stream, System.IO.Compression.CompressionLevel.Optimal, leaveOpen: true))
            zlib.Write(zeros);
        foreach (ulong declared in new ulong[] { (ulong)zeros.Length, 100, 1UL << 62, (ulong)zeros.Length * 1000 })
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            var bag = new DiagnosticBag("bomb");
            byte[] result = CompressedSection.InflateZlib(stream.ToArray(), declared, "section", long.MaxValue, bag);
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(allocated < 3 * CompressedSection.MostInflated(stream.Length), $"{allocated} bytes for {stream.Length}");
            Assert.True(declared == 100 ? result.Length == 100 : bag.Snapshot().Count == 1);
        }
    }

    [Fact]
    public void Sixty_thousand_sections_over_the_same_bytes_do_not_multiply_the_work()
    {
        // One object whose header table is followed by 60,000 headers that all claim the whole file, as each type in turn.
        const int Count = 60_000;
        byte[] bytes = new byte[64 + Count * 64];
        File.ReadAllBytes(objects.PathOf("object64.o")).AsSpan(0, 64).CopyTo(bytes);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(40), 64);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(60), Count);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(62), 3);
        uint[] types = [1, 7, 4, 9, 2, 3, 18, 1];
        for (int i = 1; i < Count; i++)
        {
            Span<byte> header = bytes.AsSpan(64 + i * 64, 64);
            BinaryPrimitives.WriteUInt32LittleEndian(header, (uint)(i % 97));
            BinaryPrimitives.WriteUInt32LittleEndian(header[Type..], types[i % types.Length]);
            BinaryPrimitives.WriteUInt64LittleEndian(header[Flags..], 6);
            BinaryPrimitives.WriteUInt64LittleEndian(header[Size..], (ulong)bytes.Length);
            BinaryPrimitives.WriteUInt32LittleEndian(header[Link..], 4);
            BinaryPrimitives.WriteUInt32LittleEndian(header[Info..], 1);
        }
        var clock = System.Diagnostics.Stopwatch.StartNew();
        Exercise(bytes);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(20), clock.Elapsed.ToString());
    }

    // Uses everything there is and returns what was wrong.
    private static IReadOnlyList<Diagnostic> Exercise(ReadOnlyMemory<byte> bytes)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        if (!ElfImage.TryFromBytes(bytes, "hostile", out ElfImage? image, out IReadOnlyList<Diagnostic> diagnostics))
        {
            Assert.NotEmpty(diagnostics);
            return diagnostics;
        }
        using (image)
        {
            _ = image.BuildId;
            foreach (ElfFunction function in image.Functions.Take(2000))
            {
                _ = function.Name;
                Assert.NotNull(image.FindFunction(function.Start));
                Assert.True(function.End.Value > function.Start.Value);
                _ = image.BytesAt(function.Start, 16).Length;
            }
            foreach (ElfSymbol symbol in image.Symbols.Take(2000))
                _ = (symbol.Name, symbol.Address, symbol.Section, symbol.FileName);
            _ = image.Symbols.FindAll("work");
            foreach (ElfSection section in image.Sections.Take(200))
            {
                _ = section.Name;
                _ = image.RelocationsOf(section).Length;
                _ = image.RelocatedBytes(section).Length;
            }
            PatchedRanges patched = PatchedRanges.Read(image);
            _ = patched.KindsAt(new ImageAddress(image.Entry), 5);
            DwarfInfo dwarf = DwarfInfo.Read(image);
            foreach (DwarfUnit unit in dwarf.Units.Take(200))
            {
                if (dwarf.Lines(unit) is { } lines)
                {
                    foreach (LineRow row in lines.Rows.Take(1000))
                        _ = (lines.FileName(row.File), lines.Find(row.Address));
                }
            }
            _ = UnitTable.From(dwarf).ToBytes();
            if (image.Sections.Count < 1000)
            {
                ElfSkeleton skeleton = image.ToSkeleton();
                Assert.True(ElfImage.TryFromSkeleton(skeleton, "rebuilt", out ElfImage? rebuilt, out _));
                _ = rebuilt.Functions.Count;
            }
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(allocated < 24L * 1024 * 1024 + 150L * bytes.Length, $"{allocated} bytes allocated for a file of {bytes.Length}");
            return image.Diagnostics;
        }
    }

    private byte[] Patch(string name, string section, int field, ulong value)
    {
        byte[] bytes = File.ReadAllBytes(objects.PathOf(name));
        using ElfImage image = objects.Open(name);
        ulong table = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(40));
        Span<byte> header = bytes.AsSpan((int)table + image.FindSection(section)!.Index * 64);
        if (field is Type or Link or Info)
            BinaryPrimitives.WriteUInt32LittleEndian(header[field..], (uint)value);
        else
            BinaryPrimitives.WriteUInt64LittleEndian(header[field..], value);
        return bytes;
    }
}
