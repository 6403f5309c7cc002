using System.IO.Compression;
using Grpc.Net.Compression;
using Xunit;

namespace Reheat.Grpc.Tests.Contract;

public sealed class CompressionTests
{
    public static TheoryData<string, byte> Encodings => new() { { "gzip", 0x1f }, { "deflate", 0x78 } };

    [Theory, MemberData(nameof(Encodings))]
    public void A_message_survives_in_the_format_that_the_name_means(string name, byte firstByte)
    {
        ICompressionProvider provider = name == "gzip"
            ? new GzipCompressionProvider(CompressionLevel.Fastest)
            : new DeflateCompressionProvider(CompressionLevel.Fastest);
        byte[] message = new byte[100_000];
        using var compressed = new MemoryStream();
        using (Stream stream = provider.CreateCompressionStream(compressed, null))
            stream.Write(message);

        Assert.Equal(name, provider.EncodingName);
        Assert.True(compressed.CanRead, "the provider closed a stream that is not its own");
        Assert.InRange(compressed.Length, 10, 2000);
        Assert.Equal(firstByte, compressed.GetBuffer()[0]);

        compressed.Position = 0;
        using var back = new MemoryStream();
        using (Stream stream = provider.CreateDecompressionStream(compressed))
            stream.CopyTo(back);
        Assert.Equal(message, back.ToArray());
    }
}
