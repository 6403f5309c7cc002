using System.Globalization;
using System.Text.RegularExpressions;
using Reheat.Core.Elf;
using Xunit;

namespace Reheat.Core.Tests.Elf;

/// <summary>Everything readelf prints about real objects, against what ElfImage says.</summary>
public sealed partial class ReadelfTests(ElfObjects objects)
{
    public static TheoryData<string> Objects => [.. ElfObjects.Names];

    [Theory]
    [MemberData(nameof(Objects))]
    public void Sections_are_those_of_readelf(string name)
    {
        using ElfImage image = objects.Open(name);
        string[] expected = [.. SectionLine().Matches(objects.Tools.Run("readelf", "-SW", name)).Select(m => string.Join(' ', m.Groups.Cast<Group>().Skip(1).Select(g => g.Value)))];
        string digits = image.Is64 ? "x16" : "x8";
        string[] actual = [.. image.Sections.Select(s => string.Create(
            CultureInfo.InvariantCulture,
            $"{s.Index} {s.Name} {s.Address.ToString(digits, CultureInfo.InvariantCulture)} {s.Offset:x6} {s.Size:x6} {s.EntrySize:x2} {s.Link} {s.Info} {s.Alignment}"))];
        Assert.Equal(expected.Length, image.Sections.Count);
        Assert.Equal(expected, actual);
    }

    [Theory]
    [MemberData(nameof(Objects))]
    public void Symbols_are_those_of_readelf(string name)
    {
        using ElfImage image = objects.Open(name);
        var expected = new List<string>();
        foreach (Match m in SymbolLine().Matches(objects.Tools.Run("readelf", "-sW", name)))
        {
            string size = m.Groups["size"].Value;
            ulong bytes = size.StartsWith("0x", StringComparison.Ordinal) ? Convert.ToUInt64(size, 16) : ulong.Parse(size, CultureInfo.InvariantCulture);
            string symbol = m.Groups["name"].Value.Split('@')[0];
            if (m.Groups["type"].Value == "SECTION")
                symbol = "";
            expected.Add($"{m.Groups["index"]} {Convert.ToUInt64(m.Groups["value"].Value, 16):x} {bytes} {m.Groups["type"]} {m.Groups["bind"]} {m.Groups["vis"]} {m.Groups["ndx"]} {symbol}");
        }
        IEnumerable<ElfSymbol> symbols = image.DynamicSymbols.Concat(image.Symbols);
        string[] actual = [.. symbols.Select(s => $"{s.Index} {s.Value:x} {s.Size} {TypeName(s.Type)} {BindingName(s.Binding)} {Visibility(s.Visibility)} {Place(s)} {s.Name}")];
        Assert.NotEmpty(actual);
        Assert.Equal(expected, actual);
        Assert.Empty(image.Diagnostics);
    }

    [Theory]
    [MemberData(nameof(Objects))]
    public void Relocations_are_those_of_readelf(string name)
    {
        using ElfImage image = objects.Open(name);
        string[] expected = [.. RelocationLine().Matches(objects.Tools.Run("readelf", "-rW", name))
            .Select(m => $"{Convert.ToUInt64(m.Groups["offset"].Value, 16):x} {m.Groups["type"]}")];
        string[] actual = [.. image.Sections.Where(s => s.Type is ElfSectionType.Rel or ElfSectionType.Rela)
            .SelectMany(image.ReadRelocations).Select(r => $"{r.Offset:x} {ElfRelocationTypes.Name(image.Machine, r.Type)}")];
        Assert.Equal(expected, actual);
        Assert.Empty(image.Diagnostics);
    }

    [Fact]
    public void Build_ids_are_those_of_readelf()
    {
        foreach (string name in new[] { "program64", "fixed64", "fixed32", "shared64.so", "module.o" })
        {
            using ElfImage image = objects.Open(name);
            Assert.Contains($"Build ID: {image.BuildId}", objects.Tools.Run("readelf", "-n", name), StringComparison.Ordinal);
            Assert.False(image.BuildId.IsNone);
        }
    }

    [Fact]
    public void An_object_without_build_id_says_so_once()
    {
        using ElfImage image = objects.Open("object64.o");
        Assert.True(image.BuildId.IsNone);
        Assert.True(image.BuildId.IsNone);
        Assert.Equal([DiagnosticId.ElfNoBuildId], image.Diagnostics.Select(d => d.Id));
    }

    [Fact]
    public void Program_headers_are_those_of_readelf()
    {
        foreach (string name in new[] { "program64", "fixed32", "shared64.so" })
        {
            using ElfImage image = objects.Open(name);
            string[] expected = [.. LoadLine().Matches(objects.Tools.Run("readelf", "-lW", name)).Select(m =>
                $"{Convert.ToUInt64(m.Groups[1].Value, 16):x} {Convert.ToUInt64(m.Groups[2].Value, 16):x} {Convert.ToUInt64(m.Groups[3].Value, 16):x} {Convert.ToUInt64(m.Groups[4].Value, 16):x} {m.Groups[5].Value.Contains('E')}")];
            Assert.Equal(expected, image.Segments.Where(s => s.IsLoad).Select(s =>
                $"{s.Offset:x} {s.Address:x} {s.FileSize:x} {s.MemorySize:x} {s.IsExecutable}"));
            Assert.Equal(image.Segments.Count(s => s.IsLoad && s.IsExecutable), image.ExecutableSegments.Count);
        }
    }

    private static string TypeName(ElfSymbolType type) => type switch
    {
        ElfSymbolType.None => "NOTYPE",
        ElfSymbolType.Function => "FUNC",
        ElfSymbolType.ThreadLocal => "TLS",
        ElfSymbolType.IndirectFunction => "IFUNC",
        _ => type.ToString().ToUpperInvariant(),
    };

    private static string BindingName(ElfSymbolBinding binding) => binding.ToString().ToUpperInvariant();

    private static string Visibility(int value) => value switch { 0 => "DEFAULT", 1 => "INTERNAL", 2 => "HIDDEN", _ => "PROTECTED" };

    private static string Place(ElfSymbol symbol) => symbol.RawSectionIndex switch
    {
        0 => "UND",
        0xfff1 => "ABS",
        0xfff2 => "COM",
        _ => symbol.SectionIndex.ToString(CultureInfo.InvariantCulture),
    };

    [GeneratedRegex(@"^  \[ *(\d+)\] (\S*) +[A-Z_0-9]+ +([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) +[A-Za-z]* +(\d+) +(\d+) +(\d+)$", RegexOptions.Multiline)]
    private static partial Regex SectionLine();

    [GeneratedRegex(@"^ +(?<index>\d+): (?<value>[0-9a-f]+) +(?<size>\w+) (?<type>\w+) +(?<bind>\w+) +(?<vis>\w+) +(?<ndx>\w+) ?(?<name>.*)$", RegexOptions.Multiline)]
    private static partial Regex SymbolLine();

    [GeneratedRegex(@"^(?<offset>[0-9a-f]{8,16}) +[0-9a-f]+ +(?<type>R_\w+)", RegexOptions.Multiline)]
    private static partial Regex RelocationLine();

    [GeneratedRegex(@"^  LOAD +0x(\w+) 0x(\w+) 0x\w+ 0x(\w+) 0x(\w+) ([RWE ]{3})", RegexOptions.Multiline)]
    private static partial Regex LoadLine();
}
