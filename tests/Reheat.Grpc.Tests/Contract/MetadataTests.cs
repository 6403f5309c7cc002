using Grpc.Core;
using Xunit;

namespace Reheat.Grpc.Tests.Contract;

public sealed class MetadataTests
{
    [Theory]
    [InlineData("Content-Type", "content-type")]
    [InlineData("a.b_c-9", "a.b_c-9")]
    public void A_key_is_kept_in_lower_case(string key, string kept) => Assert.Equal(kept, new Metadata.Entry(key, "v").Key);

    [Theory]
    [InlineData("")]
    [InlineData("with space")]
    [InlineData("colon:")]
    [InlineData("naïve")]
    [InlineData("text-bin")]
    public void A_key_that_gRPC_does_not_allow_for_text_is_refused_by_name(string key)
    {
        ArgumentException e = Assert.Throws<ArgumentException>(() => new Metadata.Entry(key, "v"));
        Assert.Contains($"'{key}'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Bytes_need_a_key_that_says_so() => Assert.Throws<ArgumentException>(() => new Metadata.Entry("text", [1]));

    [Fact]
    public void Bytes_are_copied_on_their_way_in_and_out()
    {
        byte[] bytes = [1, 2];
        var entry = new Metadata.Entry("K-Bin", bytes);
        bytes[0] = 9;
        entry.ValueBytes[1] = 9;
        Assert.True(entry.IsBinary);
        Assert.Equal([1, 2], entry.ValueBytes);
        Assert.Throws<InvalidOperationException>(() => entry.Value);
        Assert.Equal("[Entry: key=k-bin, valueBytes=0102]", entry.ToString());
    }

    [Fact]
    public void Text_has_ASCII_bytes() => Assert.Equal([0x61, 0x62], new Metadata.Entry("k", "ab").ValueBytes);

    [Fact]
    public void The_last_entry_of_a_key_counts_and_all_are_kept()
    {
        var metadata = new Metadata { { "k", "1" }, { "other", "x" }, { "K", "2" } };
        Assert.Equal("2", metadata.GetValue("k"));
        Assert.Equal(["1", "2"], metadata.GetAll("K").Select(e => e.Value));
        Assert.Null(metadata.GetValue("none"));
        Assert.Null(metadata.GetValueBytes("none"));
        Assert.Null(metadata.Get("none"));
        Assert.Equal(["k", "other", "k"], metadata.Select(e => e.Key));
    }

    [Fact]
    public void It_is_a_list()
    {
        var first = new Metadata.Entry("k", "1");
        var second = new Metadata.Entry("k", "2");
        var metadata = new Metadata { first };
        metadata.Insert(0, second);
        Assert.Equal(1, metadata.IndexOf(first));
        metadata[1] = second;
        Assert.DoesNotContain(first, metadata);
        metadata.RemoveAt(0);
        Assert.True(metadata.Remove(second));
        Assert.Empty(metadata);
    }

    [Fact]
    public void Empty_stays_empty()
    {
        Assert.True(Metadata.Empty.IsReadOnly);
        Assert.Throws<InvalidOperationException>(() => Metadata.Empty.Add("k", "v"));
        Assert.Throws<InvalidOperationException>(Metadata.Empty.Clear);
        Assert.Empty(Metadata.Empty);
    }
}
