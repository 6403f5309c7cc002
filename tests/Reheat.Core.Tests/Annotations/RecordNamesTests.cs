using System.Text;
using Reheat.Core.Annotations;
using Xunit;

namespace Reheat.Core.Tests.Annotations;

/// <summary>What the linker stand-in takes from a list: every target, without reading it whole.</summary>
public sealed class RecordNamesTests
{
    private const string Head = "reheat-annotations 1.0\narch x86-64\nunit a.c\nfunction f *\n";

    [Theory]
    [InlineData("", "")]
    [InlineData("  1 write:4:lapic | movl %eax,(%rdi)\n", "lapic")]
    [InlineData("  1 write:4:lapic read:8:hpet\n  allow 2 write:4:e1000\n\tdeny 3 read:4:ioapic\n", "e1000 hpet ioapic lapic")]
    [InlineData("  sketch 5b1e90aa\n  1 write:4:lapic | cs:x:notatarget\n", "lapic")]
    [InlineData("  1 write:4:a\\x20b write:4:a/b write:4:\\x20\n", "_ a_b")]
    [InlineData("  1 write:4:pci-0.1\r\n", "pci-0.1")]
    [InlineData("  noise :: write: write:4\n  1 write:4:\\xzz\n", "")]
    public void Targets_are_those_that_sites_name(string sites, string expected) =>
        Assert.Equal(expected, string.Join(' ', RecordNames.Targets(Encoding.UTF8.GetBytes(Head + sites + "end 1\n"))));

    [Fact]
    public void Text_that_is_no_list_names_nothing()
    {
        Assert.Empty(RecordNames.Targets([]));
        Assert.Empty(RecordNames.Targets([0xff, 0xfe, (byte)'\n', 0]));
    }
}
