using Reheat.Agent;
using Reheat.Core;
using Xunit;

namespace Reheat.Loop.Tests.Agent;

public sealed class ImageTableTests
{
    private static GuestImage Image(string name, long bias, params (ulong Start, ulong End)[] code) =>
        new(new BuildId([1]), name, new LoadBias(bias), [.. code.Select(c => (new ImageAddress(c.Start), new ImageAddress(c.End)))]);

    [Fact]
    public void An_address_belongs_to_the_image_whose_biased_code_holds_it()
    {
        var table = new ImageTable([Image("vmlinux", -0x1000, (0x2000, 0x3000), (0x5000, 0x5001)), Image("e1000.ko", 0x10_0000, (0x40, 0x80))]);

        Assert.Equal([-1, 0, 0, -1, 0, -1, 1, -1],
            ((ulong[])[0xfff, 0x1000, 0x1fff, 0x2000, 0x4000, 0x4001, 0x10_0040, 0x10_0080]).Select(a => table.Find(new GuestAddress(a))));
    }

    [Fact]
    public void A_bias_may_wrap_to_the_top_of_the_address_space()
    {
        var table = new ImageTable([Image("vmlinux", unchecked((long)0xffff_ffff_0000_0000), (0x8100_0000, 0x8200_0000))]);

        Assert.Equal(0, table.Find(new GuestAddress(0xffff_ffff_8100_0000)));
        Assert.Equal(-1, table.Find(new GuestAddress(0x8100_0000)));
    }

    [Fact]
    public void Images_that_overlap_are_refused_with_both_names_and_the_address()
    {
        AgentException refused = Assert.Throws<AgentException>(() => new ImageTable([Image("a.ko", 0, (0x100, 0x200)), Image("b.ko", 0x80, (0x100, 0x200))]));

        Assert.Contains("a.ko and b.ko both claim address 0x180", refused.Message, StringComparison.Ordinal);
    }
}
