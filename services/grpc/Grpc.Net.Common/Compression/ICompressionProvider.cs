using System.IO.Compression;

namespace Grpc.Net.Compression;

/// <summary>One message encoding, as named in <c>grpc-encoding</c>.</summary>
public interface ICompressionProvider
{
    /// <summary>The encoding's name on the wire.</summary>
    string EncodingName { get; }

    /// <summary>A stream that compresses into <paramref name="stream"/> and leaves it open.</summary>
    /// <param name="stream">Where the compressed bytes go.</param>
    /// <param name="compressionLevel">The level, null for the provider's own.</param>
    Stream CreateCompressionStream(Stream stream, CompressionLevel? compressionLevel);

    /// <summary>A stream that reads the message behind compressed bytes.</summary>
    Stream CreateDecompressionStream(Stream stream);
}
