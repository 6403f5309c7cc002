using System.Globalization;
using System.Runtime.InteropServices;
using Reheat.Core.Elf;
using Xunit;

namespace Reheat.Core.Tests.Elf;

public sealed class FunctionTests(ElfObjects objects)
{
    public static TheoryData<string> Objects => [.. ElfObjects.Names];

    [Theory]
    [MemberData(nameof(Objects))]
    public void Every_function_of_nm_is_found_by_address_and_by_name(string name)
    {
        using ElfImage image = objects.Open(name);
        int found = 0;
        // nm -S: value size letter name; only symbols with a size.
        foreach (string line in objects.Tools.Run("nm", "-S", name).Split('\n'))
        {
            if (line.Split(' ') is not [string value, string size, "t" or "T" or "W" or "w", string symbol])
                continue;
            ulong address = Convert.ToUInt64(value, 16);
            ulong length = Convert.ToUInt64(size, 16);
            // nm does not tell the section: in an object, statics of one name may have one offset.
            ElfFunction function = image.Functions.FindByName(symbol).First(f =>
                f.Size == length && f.Start.Value - (image.IsRelocatable ? f.Section.Offset : 0) == address);
            Assert.True(function.IsSized);
            Assert.Contains(symbol, function.Aliases.Select(a => a.Name).Append(function.Name));
            for (ulong offset = 0; offset < length; offset++)
                Assert.Same(function, image.FindFunction(function.Start + offset));
            Assert.NotSame(function, image.FindFunction(function.End));
            Assert.Equal((int)length, image.BytesAt(function.Start, (int)length).Length);
            found++;
        }
        Assert.True(found > 0);
        Assert.Equal(image.Functions.Select(f => f.Start).Order(), image.Functions.Select(f => f.Start));
    }

    [Fact]
    public void Of_aliases_the_global_plain_name_is_chosen_and_the_others_are_kept()
    {
        using ElfImage image = objects.Open("fixed64");
        ElfFunction work = Assert.Single(image.Functions.FindByName("weak_work"));
        Assert.Equal("work", work.Name);
        Assert.Equal(["__x64_work", "weak_work"], work.Aliases.Select(a => a.Name));
        Assert.Same(work, Assert.Single(image.Functions.FindByName("__x64_work")));
    }

    [Fact]
    public void Statics_of_one_name_are_told_apart_by_their_file_symbol()
    {
        using ElfImage image = objects.Open("fixed64");
        ElfFunction[] helpers = [.. image.Functions.Where(f => f.Name.StartsWith("helper", StringComparison.Ordinal))];
        Assert.Equal(["main.c", "other.c"], helpers.Select(f => f.FileName).Order());
        Assert.All(helpers, f => Assert.True(f.IsLocal));
        Assert.Null(Assert.Single(image.Functions.FindByName("work")).FileName);
    }

    [Fact]
    public void Assembly_labels_own_the_code_up_to_the_next_symbol()
    {
        foreach (string name in new[] { "asm64.o", "fixed64", "module.o" })
        {
            using ElfImage image = objects.Open(name);
            ElfFunction entry = Assert.Single(image.Functions.FindByName("asm_entry"));
            Assert.False(entry.IsSized);
            Assert.Equal(2u, entry.Size);
            ElfFunction inner = Assert.Single(image.Functions.FindByName("inner_label"));
            Assert.Equal((entry.End, 3u), (inner.Start, inner.Size));
            ElfFunction sized = Assert.Single(image.Functions.FindByName("sized_asm"));
            Assert.Equal(2u, sized.Size);
            // A label inside of a sized function names nothing, and the padding behind it belongs to nobody.
            Assert.Empty(image.Functions.FindByName("inside_sized"));
            Assert.Same(sized, image.FindFunction(sized.Start + 1));
            Assert.Null(image.FindFunction(sized.End));
            Assert.Null(image.FindFunction(sized.End + 6));
            Assert.Equal("after_gap", image.FindFunction(sized.End + 7)!.Name);
        }
    }

    [Fact]
    public void In_a_relocatable_object_an_address_is_the_file_offset()
    {
        using ElfImage image = objects.Open("sections64.o");
        byte[] file = File.ReadAllBytes(objects.PathOf("sections64.o"));
        Assert.True(image.ExecutableRanges.Count > 3);
        foreach (ElfFunction function in image.Functions)
        {
            Assert.Equal(".text." + function.Name, function.Name == "start_up" ? ".text.start_up" : function.Section.Name.Replace(".text.unlikely.", ".text.", StringComparison.Ordinal));
            Assert.True(file.AsSpan((int)function.Start.Value, (int)function.Size).SequenceEqual(image.BytesAt(function.Start, (int)function.Size)));
        }
    }

    [Fact]
    public void Executable_ranges_are_the_executable_sections()
    {
        using ElfImage image = objects.Open("fixed64");
        AddressRange[] expected = [.. image.Sections.Where(s => s.IsExecutable)
            .Select(s => new AddressRange(s.Start, s.Start + s.Size)).Order()];
        Assert.Equal(expected, image.ExecutableRanges);
        Assert.All(expected, r => Assert.True(image.IsExecutable(r.Start) && image.Contains(r.Start)));
        ElfSection data = image.FindSection(".data")!;
        Assert.True(image.Contains(data.Start));
        Assert.False(image.IsExecutable(data.Start));
        Assert.Same(data, image.SectionAt(data.Start));
        Assert.False(image.Contains(new ImageAddress(1)));
        Assert.Empty(image.BytesAt(new ImageAddress(1)).ToArray());
        Assert.Empty(image.BytesAt(image.FindSection(".bss")!.Start).ToArray());
    }

    [Fact]
    public void Lookups_allocate_nothing()
    {
        using ElfImage image = objects.Open("fixed64");
        ElfFunction first = image.Functions[0];
        Assert.NotNull(image.FindFunction(first.Start));
        Assert.True(image.IsExecutable(first.Start));
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (ulong offset = 0; offset < 500; offset++)
        {
            _ = image.FindFunction(first.Start + offset);
            _ = image.IsExecutable(first.Start + offset);
            _ = image.SectionAt(first.Start + offset);
            _ = image.BytesAt(first.Start + offset, 15).Length;
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void A_large_stripped_library_is_read_through_its_dynamic_symbols()
    {
        string path = Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "libcoreclr.so");
        Assert.True(ElfImage.TryOpen(path, out ElfImage? image, out _));
        using (image)
        {
            Assert.True(image.Length > 4 << 20);
            string[] expected = [.. objects.Tools.Run("nm", "-D", "--defined-only", path).Split('\n')
                .Where(l => l.Contains(" T ", StringComparison.Ordinal)).Select(l => ulong.Parse(l[..16], NumberStyles.HexNumber, CultureInfo.InvariantCulture))
                .Distinct().Order().Select(a => $"0x{a:x}")];
            Assert.NotEmpty(expected);
            Assert.Superset(expected.ToHashSet(), image.Functions.Select(f => f.Start.ToString()).ToHashSet());
            Assert.Contains(image.BuildId.ToString(), objects.Tools.Run("readelf", "-n", path), StringComparison.Ordinal);
            Assert.Empty(image.Diagnostics);
        }
    }

    [Fact]
    public void More_than_65280_sections_are_numbered_by_the_extended_fields()
    {
        const int Count = 66_000;
        var source = new System.Text.StringBuilder();
        for (int i = 0; i < Count; i++)
            source.Append(CultureInfo.InvariantCulture, $".section .text.f{i},\"ax\"\n.globl f{i}\n.type f{i},@function\nf{i}: ret\n.size f{i},1\n");
        objects.Tools.Write("many.s", source.ToString());
        objects.Tools.Run("as", "-o", "many.o", "many.s");
        using ElfImage image = objects.Open("many.o");
        Assert.True(image.Sections.Count > Count);
        Assert.Equal(Count, image.Functions.Count);
        Assert.All(image.Functions, f => Assert.Equal(".text." + f.Name, f.Section.Name));
        Assert.True(image.Symbols.TryFind("f65999", out ElfSymbol last));
        Assert.Equal(0xffff, last.RawSectionIndex);
        Assert.Equal(".text.f65999", last.Section!.Name);
        ElfSkeleton skeleton = image.ToSkeleton();
        Assert.True(ElfImage.TryFromSkeleton(skeleton, "many", out ElfImage? rebuilt, out IReadOnlyList<Diagnostic> diagnostics));
        Assert.Empty(diagnostics);
        Assert.Equal(image.Functions.Select(f => f.ToString()), rebuilt.Functions.Select(f => f.ToString()));
    }
}
