using System.Globalization;
using Reheat.Core.Dwarf;
using Reheat.Core.Elf;
using Reheat.Core.Tests.Elf;
using Xunit;

namespace Reheat.Core.Tests.Dwarf;

/// <summary>Units and lines of real objects against readelf and addr2line.</summary>
public sealed class DwarfTests(ElfObjects objects)
{
    public static TheoryData<string> Variants
    {
        get
        {
            var data = new TheoryData<string>();
            foreach (string bits in new[] { "-m64", "-m32" })
            {
                foreach (string version in new[] { "-gdwarf-2", "-gdwarf-3", "-gdwarf-4", "-gdwarf-5" })
                {
                    foreach (string more in new[] { "-O2", "-O0 -gz=zlib", "-O2 -gz=zlib-gnu", "-Os -ffunction-sections", "-O2 -fdebug-types-section" })
                        data.Add($"{bits} {version} {more}");
                }
            }
            return data;
        }
    }

    // Relocations in sections compressed the old way are not supported.
    public static TheoryData<string> ObjectVariants =>
        [.. Variants.Select(row => row.Data).Where(variant => !variant.Contains("zlib-gnu", StringComparison.Ordinal))];

    [Theory]
    [MemberData(nameof(Variants))]
    public void A_linked_image_resolves_as_addr2line_does(string variant)
    {
        string name = "lines" + variant.Replace(" ", "", StringComparison.Ordinal);
        string path = objects.Tools.Gcc(
            name, [.. variant.Split(' '), "-no-pie", "-fno-pic", "-nostdlib", "-fno-stack-protector", "-Wl,-e,main", "src/main.c", "src/other.c", "src/entry.S"]);
        using ElfImage image = ElfImage.Open(path);
        DwarfInfo dwarf = DwarfInfo.Read(image);
        Assert.Equal(["src/entry.S", "src/main.c", "src/other.c"], dwarf.Units.Select(u => u.Path).Order());

        ImageAddress[] addresses = [.. image.ExecutableRanges.Where(r => image.SectionAt(r.Start)!.Name != ".plt")
            .SelectMany(r => Enumerable.Range(0, (int)r.Length).Select(i => r.Start + (ulong)i))];
        // addr2line does not know all names of the old kind of compressed sections.
        objects.Tools.Run("objcopy", "--decompress-debug-sections", name, name + "-plain");
        string[] expected = objects.Tools.RunWithInput("addr2line", string.Join('\n', addresses), "-e", name + "-plain").TrimEnd().Split('\n');
        Assert.Equal(addresses.Length, expected.Length);
        int compared = 0;
        for (int i = 0; i < addresses.Length; i++)
        {
            if (dwarf.FindLine(addresses[i]) is not { } line)
            {
                Assert.StartsWith("??", expected[i], StringComparison.Ordinal);
                continue;
            }
            string[] place = expected[i].Split(" (")[0].Split(':');
            Assert.Equal($"{addresses[i]} {place[1].Replace("?", "0", StringComparison.Ordinal)}", $"{addresses[i]} {line.Line}");
            string file = SourcePath.Normalise(place[0], objects.Tools.PathOf(""));
            // At the first instruction of inlined code addr2line takes the file from the function that it was inlined into.
            Assert.Contains(line.File, line.File == "src/inc/shared.h" ? ["src/inc/shared.h"] : new[] { file });
            compared++;
        }
        Assert.True(compared > 100);
        Assert.Empty(image.Diagnostics);
    }

    [Theory]
    [MemberData(nameof(ObjectVariants))]
    public void An_object_file_resolves_as_addr2line_does_section_by_section(string variant)
    {
        string name = "lines" + variant.Replace(" ", "", StringComparison.Ordinal) + ".o";
        string path = objects.Tools.Gcc(name, [.. variant.Split(' '), "-c", "-fno-pic", "src/main.c"]);
        using ElfImage image = ElfImage.Open(path);
        DwarfInfo dwarf = DwarfInfo.Read(image);
        Assert.Equal("src/main.c", Assert.Single(dwarf.Units).Path);
        foreach (ElfFunction function in image.Functions)
        {
            for (ulong offset = 0; offset < function.Size; offset++)
            {
                Assert.Equal("src/main.c", dwarf.FindUnit(function.Start + offset)?.Path);
                Assert.NotNull(dwarf.FindLine(function.Start + offset));
            }
        }
        objects.Tools.Run("objcopy", "--decompress-debug-sections", name, name + "-plain");
        foreach (ElfSection section in image.Sections.Where(s => s.IsExecutable && s.Size > 0))
        {
            string[] offsets = [.. Enumerable.Range(0, (int)section.Size).Select(i => $"0x{i:x}")];
            string[] expected = objects.Tools.RunWithInput("addr2line", string.Join('\n', offsets), "-j", section.Name, "-e", name + "-plain").TrimEnd().Split('\n');
            for (int i = 0; i < offsets.Length; i++)
            {
                string line = dwarf.FindLine(section.Start + (ulong)i)?.Line.ToString(CultureInfo.InvariantCulture) ?? "?";
                Assert.Equal($"{section.Name}+{i} {expected[i].Split(" (")[0].Split(':')[1]}", $"{section.Name}+{i} {line}");
            }
        }
        Assert.Empty(image.Diagnostics);
    }

    [Fact]
    public void Rows_are_those_of_the_decoded_line_table_of_objdump()
    {
        foreach (string name in new[] { "fixed64", "program64", "shared64.so", "fixed32", "dwarf64" })
        {
            using ElfImage image = objects.Open(name);
            DwarfInfo dwarf = DwarfInfo.Read(image);
            // "file line 0xaddress [view] [x]"
            var expected = new List<string>();
            foreach (string line in objects.Tools.Run("objdump", "--dwarf=decodedline", name).Split('\n'))
            {
                string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
                if (words.Length >= 3 && words[2].StartsWith("0x", StringComparison.Ordinal))
                    expected.Add($"{words[0]} {words[1]} {words[2]}");
            }
            IEnumerable<string> actual = dwarf.Units.SelectMany(u => dwarf.Lines(u)!.Rows.Select(r =>
                $"{Path.GetFileName(dwarf.Lines(u)!.FileName(r.File))} {(r.IsEnd ? "-" : r.Line.ToString(CultureInfo.InvariantCulture))} {r.Address}"));
            Assert.NotEmpty(expected);
            Assert.Equal(expected.Select(e => e.Replace(" END", "", StringComparison.Ordinal)).Order(), actual.Order());
        }
    }

    [Fact]
    public void Units_survive_storage()
    {
        using ElfImage image = objects.Open("fixed64");
        var table = UnitTable.From(DwarfInfo.Read(image));
        Assert.Equal(["src/entry.S", "src/main.c", "src/other.c"], table.Paths);
        Assert.True(UnitTable.TryFromBytes(table.ToBytes(), out UnitTable? read));
        foreach (AddressRange range in image.ExecutableRanges)
        {
            for (ulong offset = 0; offset < range.Length; offset++)
                Assert.Equal(table.Find(range.Start + offset), read.Find(range.Start + offset));
        }
        Assert.Equal("src/main.c", read.Find(Assert.Single(image.Functions.FindByName("work")).Start));
        byte[] bytes = table.ToBytes();
        for (int cut = 0; cut < bytes.Length; cut++)
            Assert.False(UnitTable.TryFromBytes(bytes.AsSpan(0, cut), out _));
    }

    [Theory]
    [InlineData("arch/x86/kernel/apic/apic.c", "/b/linux", "arch/x86/kernel/apic/apic.c")]
    [InlineData("./kernel/../mm/memory.c", "/b/linux", "mm/memory.c")]
    [InlineData("/b/linux/mm/memory.c", "/b/linux", "mm/memory.c")]
    [InlineData("/b/linux/mm/memory.c", "/b/linux/debian/build", "mm/memory.c")]
    [InlineData("../../mm/memory.c", "/b/linux/debian/build", "mm/memory.c")]
    [InlineData("/usr/include/stdio.h", "/b/linux", "/usr/include/stdio.h")]
    [InlineData("mm/memory.c", "debian/build", "mm/memory.c")]
    [InlineData("../mm/./memory.c", "", "../mm/memory.c")]
    [InlineData("/../x.c", "", "/x.c")]
    [InlineData("/b/linux", "/b/linux", "linux")]
    [InlineData("", "/b", "")]
    public void Names_are_relative_to_what_they_share_with_the_directory(string name, string directory, string expected) =>
        Assert.Equal(expected, SourcePath.Normalise(name, directory));

    [Fact]
    public void What_is_not_supported_says_so_once()
    {
        using ElfImage old = ElfImage.Open(objects.Tools.Gcc("old.o", "-c", "-g", "-gz=zlib-gnu", "src/main.c"));
        Assert.True(DwarfInfo.Read(old).IsEmpty);
        Assert.NotEmpty(old.Diagnostics);
        Assert.All(old.Diagnostics, d => Assert.Equal(DiagnosticId.DwarfUnsupported, d.Id));
        Assert.Equal(old.Diagnostics.Count, old.Diagnostics.Distinct().Count());

        using ElfImage wide = ElfImage.Open(objects.Tools.Gcc("wide.o", "-c", "-g", "-gdwarf64", "src/main.c"));
        DwarfInfo dwarf = DwarfInfo.Read(wide);
        Assert.Equal("src/main.c:26", dwarf.FindLine(Assert.Single(wide.Functions.FindByName("start_up")).Start)?.ToString());
        Assert.Empty(wide.Diagnostics);
    }

    [Fact]
    public void An_image_without_debug_information_has_no_units_and_no_diagnostics()
    {
        using ElfImage image = objects.Open("objectx32.o");
        DwarfInfo dwarf = DwarfInfo.Read(image);
        Assert.True(dwarf.IsEmpty);
        Assert.Null(dwarf.FindLine(image.Functions[0].Start));
        Assert.Empty(image.Diagnostics);
    }
}
