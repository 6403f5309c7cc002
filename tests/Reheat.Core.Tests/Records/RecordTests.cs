using System.Globalization;
using Reheat.Core.Elf;
using Reheat.Core.Records;
using Reheat.Core.Tests.Elf;
using Reheat.Core.X86;
using Xunit;

namespace Reheat.Core.Tests.Records;

/// <summary>Records of real objects against the labels that the assembler knows.</summary>
public sealed class RecordTests : IDisposable
{
    private readonly Toolchain _tools = new();

    public RecordTests() => _tools.Write("sites.S", AnnotatedSource.Text);

    public void Dispose() => _tools.Dispose();

    [Theory]
    [InlineData("linked, 64 bit", "-m64")]
    [InlineData("linked, 32 bit", "-m32")]
    [InlineData("linked with relocations", "-m64", "-Wl,--emit-relocs")]
    [InlineData("linked under the objects' names", "-m64", "-DNAME=.debug_afterburn")]
    [InlineData("linked under the objects' names, compressed", "-m64", "-DNAME=.debug_afterburn", "-Wl,--compress-debug-sections=zlib")]
    [InlineData("relocatable", "-m64", "-r")]
    [InlineData("relocatable, 32 bit", "-m32", "-r")]
    [InlineData("an object", "-m64", "-c")]
    [InlineData("an object, compressed", "-m64", "-c", "-DNAME=.debug_afterburn", "-Wa,--compress-debug-sections=zlib")]
    public void Records_are_where_the_labels_are(string what, params string[] arguments)
    {
        using ElfImage image = Build(1, arguments);

        AnnotatedSites sites = AnnotatedSites.Read(image);

        Assert.Empty(sites.Diagnostics);
        Assert.Equal(5, sites.All.Count);
        foreach ((string label, string target) in ((string, string)[])[("a_site", "lapic"), ("b_site", "lapic"), ("c_site", "ioapic"), ("d_site", "hpet")])
        {
            AnnotatedSite site = Assert.IsType<AnnotatedSite>(sites.Find(At(image, label)));
            Assert.Equal((what, At(image, label), At(image, label + "_end")), (what, site.Start, site.End));
            Assert.Equal([target], site.Targets);
            Assert.True(site.Serves(target));
            Assert.False(site.HasThunk);
            Assert.Same(site, sites.Find(new ImageAddress(site.End.Value - 1)));
        }
        Assert.Equal(new Dictionary<string, int> { [""] = 1, ["hpet"] = 1, ["ioapic"] = 1, ["lapic"] = 2 }, sites.CountByTarget());
        Assert.Null(sites.Find(At(image, "a_site_end")));
        Assert.Null(sites.Find(At(image, "swap") + 4096));
    }

    [Theory]
    [InlineData("-m64")]
    [InlineData("-m32")]
    [InlineData("-m64", "-r")]
    public void A_moved_access_is_found_in_its_thunk_and_belongs_to_its_site(params string[] arguments)
    {
        using ElfImage image = Build(2, arguments);

        AnnotatedSites sites = AnnotatedSites.Read(image);

        Assert.Empty(sites.Diagnostics);
        Assert.Equal(4, sites.All.Count);
        Assert.All(sites.All, s => Assert.True(s.HasThunk));
        AnnotatedSite a = sites.Find(At(image, "a_site"))!;
        Assert.Equal((At(image, "a_site_thunk"), At(image, "a_site_thunk_end")), (a.Thunk.Start, a.Thunk.End));
        Assert.Equal(At(image, "a_site_access"), a.Access.Start);
        Assert.Same(a, sites.Find(a.Access.Start));
        Assert.Same(a, sites.Find(new ImageAddress(a.Thunk.End.Value - 1)));
        Assert.Equal([.. sites.All.Select(s => s.Start)], sites.Counters.Select(c => c.Site));
        Assert.Equal(At(image, "count_a_site"), sites.Counters[0].Counter);
    }

    [Theory]
    [InlineData("-m64")]
    [InlineData("-m32")]
    [InlineData("-m64", "-r")]
    public void A_function_keeps_ordinals_and_fingerprint_whatever_was_done_to_its_sites(params string[] arguments)
    {
        FunctionCode[][] code = [.. Enumerable.Range(0, 3).Select(sites =>
        {
            using ElfImage image = Build(sites, arguments);
            AnnotatedSites annotated = AnnotatedSites.Read(image);
            var reader = new FunctionReader(image, PatchedRanges.Read(image));
            return ((string[])["poll", "swap"]).Select(name =>
            {
                FunctionCode function = FunctionCode.Decode(OriginalCode.Restore(reader.Read(image.Functions.FindByName(name)[0]), image, annotated));
                _ = function.Fingerprint;
                return function;
            }).ToArray();
        })];

        for (int i = 0; i < code[0].Length; i++)
        {
            string[] plain = [.. Enumerable.Range(0, code[0][i].Count).Select(o => code[0][i].Text(code[0][i].ByOrdinal(o)!.Value))];
            foreach (FunctionCode[] other in code)
            {
                Assert.Equal(plain, Enumerable.Range(0, other[i].Count).Select(o => other[i].Text(other[i].ByOrdinal(o)!.Value)));
                Assert.Equal((code[0][i].Fingerprint, code[0][i].Sketch), (other[i].Fingerprint, other[i].Sketch));
            }
        }
    }

    [Theory]
    [InlineData("end before start", ".lapic", "poll + 4, poll + 2", DiagnosticId.RecordBadRange)]
    [InlineData("end at start", ".lapic", "poll, poll", DiagnosticId.RecordBadRange)]
    [InlineData("too long", ".lapic", "poll, poll + 65", DiagnosticId.RecordBadRange)]
    [InlineData("in data", ".lapic", "counter, counter + 4", DiagnosticId.RecordOutsideCode)]
    [InlineData("nowhere", ".lapic", "0x10, 0x14", DiagnosticId.RecordOutsideCode)]
    [InlineData("at the end of memory", ".lapic", "-4, -1", DiagnosticId.RecordOutsideCode)]
    [InlineData("no instruction", ".lapic", "bad, bad + 2", DiagnosticId.RecordNotAnInstruction)]
    [InlineData("an instruction that does not fit", ".lapic", "b_site, b_site + 3", DiagnosticId.RecordNotAnInstruction)]
    [InlineData("a jump to nowhere", ".lapic", "out, out + 5", DiagnosticId.RecordNoThunk)]
    [InlineData("a jump onto itself", ".lapic", "self, self + 5", DiagnosticId.RecordNoThunk)]
    [InlineData("a jump to a thunk that returns", ".lapic", "gone, gone + 5", DiagnosticId.RecordNoThunk)]
    [InlineData("a place twice", ".lapic", "a_site, a_site_end", DiagnosticId.RecordDuplicate)]
    [InlineData("a place with another end", ".hpet", "a_site, a_site_end - 1", DiagnosticId.RecordDuplicate)]
    [InlineData("an overlap", ".lapic", "a_site + 3, a_site + 4", DiagnosticId.RecordBadRange)]
    [InlineData("thrown away by the link", ".lapic", "0, 0", DiagnosticId.RecordDiscarded)]
    [InlineData("a target that is none", ".No Target", "poll, poll + 2", DiagnosticId.RecordBadSection)]
    [InlineData("half a record", ".lapic", "poll", DiagnosticId.RecordBadSection)]
    public void A_record_that_makes_no_sense_is_a_diagnostic_and_the_others_stay(string what, string target, string words, DiagnosticId id)
    {
        _tools.Write("bad.S", $"""
            .pushsection ".afterburn{target}", "", @progbits
            .quad {words}
            .popsection
            .text
            bad: .byte 0x0f, 0x0b ^ 0xff, 0x06, 0x06
            self: .byte 0xe9
            .long -5
            out: jmp out + 0x100000
            gone: .byte 0xe9
            .long away - . - 4
            away: ret
            """);
        string path = _tools.Gcc("bad", "-nostdlib", "-no-pie", "-Wl,--build-id=sha1", "-DSITES=1", "sites.S", "bad.S");
        using ElfImage image = ElfImage.Open(path);

        AnnotatedSites sites = AnnotatedSites.Read(image);

        Diagnostic diagnostic = Assert.Single(sites.Diagnostics);
        Assert.Equal((what, id), (what, diagnostic.Id));
        Assert.NotEmpty(diagnostic.Message);
        Assert.Equal(5, sites.All.Count);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Storage_keeps_all_but_counters(int kind)
    {
        using ElfImage image = Build(kind, "-m64");
        AnnotatedSites sites = AnnotatedSites.Read(image);

        Assert.True(AnnotatedSites.TryFromBytes(sites.ToBytes(), out AnnotatedSites? stored));

        Assert.Equal(sites.All, stored.All);
        Assert.True(AnnotatedSites.TryFromBytes(AnnotatedSites.None.ToBytes(), out AnnotatedSites? none));
        Assert.Empty(none.All);
    }

    [Fact]
    public void Whatever_the_bytes_are_reading_them_ends_without_an_exception()
    {
        using ElfImage image = Build(2, "-m64");
        byte[] stored = AnnotatedSites.Read(image).ToBytes();
        byte[] file = File.ReadAllBytes(_tools.PathOf("sites2"));
        var random = new Random(7);
        for (int round = 0; round < 2000; round++)
        {
            byte[] bytes = [.. stored];
            for (int n = random.Next(1, 5); n > 0; n--)
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            if (AnnotatedSites.TryFromBytes(bytes.AsSpan(0, random.Next(bytes.Length + 1)), out AnnotatedSites? read))
                Assert.All(read.All, s => Assert.InRange(s.Range.Length, 1UL, 64UL));
            if (round % 4 != 0)
                continue;
            byte[] hostile = [.. file];
            for (int n = random.Next(1, 30); n > 0; n--)
                hostile[random.Next(hostile.Length)] = (byte)random.Next(256);
            if (ElfImage.TryFromBytes(hostile, "hostile", out ElfImage? elf, out _))
                Assert.All(AnnotatedSites.Read(elf).All, s => Assert.InRange(s.Range.Length, 1UL, 64UL));
        }
    }

    private ElfImage Build(int sites, params string[] arguments)
    {
        string output = $"sites{sites}";
        bool linked = !arguments.Contains("-c");
        string path = _tools.Gcc(output, ["-nostdlib", "-no-pie", $"-DSITES={sites}", "sites.S", .. arguments, .. linked ? ["-Wl,--build-id=sha1"] : Array.Empty<string>()]);
        return ElfImage.Open(path);
    }

    private static ImageAddress At(ElfImage image, string label)
    {
        Assert.True(image.Symbols.TryFind(label, out ElfSymbol symbol), string.Create(CultureInfo.InvariantCulture, $"no symbol {label}"));
        return symbol.Address!.Value;
    }
}
