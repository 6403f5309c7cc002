using System.IO.Compression;
using System.Security.Cryptography;
using Dapper;
using Npgsql;

namespace Reheat.Store.Builds;

/// <summary>Table <c>parts</c>: pieces of images, Brotli, named by the SHA-256 of what they unpack to.</summary>
public sealed class PartStore(NpgsqlDataSource database)
{
    /// <summary>Which of these are not stored?</summary>
    public async Task<IReadOnlyList<byte[]>> MissingAsync(IReadOnlyCollection<byte[]> hashes, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        return [.. await connection.QueryAsync<byte[]>(new CommandDefinition(
            "SELECT DISTINCT h FROM unnest(@hashes) AS h WHERE NOT EXISTS (SELECT FROM reheat_data.parts WHERE sha256 = h)",
            new { hashes = hashes.ToArray() }, cancellationToken: cancel))];
    }

    /// <summary>Stores a part.</summary>
    /// <exception cref="InvalidDataException">The bytes do not unpack, or not to the size or hash they are said to have.</exception>
    public async Task AddAsync(byte[] sha256, long rawSize, byte[] packed, CancellationToken cancel)
    {
        Verify(sha256, rawSize, packed);
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        await connection.ExecuteAsync(new CommandDefinition(
            "INSERT INTO reheat_data.parts (sha256, raw_size, packed) VALUES (@sha256, @rawSize, @packed) ON CONFLICT (sha256) DO NOTHING",
            new { sha256, rawSize, packed }, cancellationToken: cancel));
    }

    /// <summary>The unpacked bytes of a part.</summary>
    public async Task<byte[]> ReadAsync(byte[] sha256, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        return await ReadAsync(connection, sha256, cancel);
    }

    internal static async Task<byte[]> ReadAsync(NpgsqlConnection connection, byte[] sha256, CancellationToken cancel)
    {
        (long rawSize, byte[] packed) = await connection.QuerySingleAsync<(long, byte[])>(new CommandDefinition(
            "SELECT raw_size, packed FROM reheat_data.parts WHERE sha256 = @sha256", new { sha256 }, cancellationToken: cancel));
        return Unpack(rawSize, packed);
    }

    /// <summary>Packs a part for the wire and the table.</summary>
    public static byte[] Pack(ReadOnlySpan<byte> raw)
    {
        // Quality 4: text sections to about 40% at over 100 MB/s; 11 would take minutes for a kernel.
        using var output = new MemoryStream();
        using (var brotli = new BrotliStream(output, new BrotliCompressionOptions { Quality = 4 }, leaveOpen: true))
            brotli.Write(raw);
        return output.ToArray();
    }

    private static void Verify(byte[] sha256, long rawSize, byte[] packed)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        using var brotli = new BrotliStream(new MemoryStream(packed), CompressionMode.Decompress);
        byte[] buffer = new byte[1 << 16];
        long size = 0;
        try
        {
            int n;
            while ((n = brotli.Read(buffer)) > 0)
            {
                hash.AppendData(buffer, 0, n);
                size += n;
                if (size > rawSize)
                    throw new InvalidDataException($"part {Name(sha256)} unpacks to more than the {rawSize} bytes it is said to have");
            }
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidDataException($"part {Name(sha256)} is not Brotli data", e);
        }
        if (size != rawSize)
            throw new InvalidDataException($"part {Name(sha256)} unpacks to {size} bytes, not the {rawSize} it is said to have");
        byte[] actual = hash.GetHashAndReset();
        if (!actual.AsSpan().SequenceEqual(sha256))
            throw new InvalidDataException($"part {Name(sha256)} hashes to {Name(actual)}: damaged on the way — send it again");
    }

    private static string Name(byte[] sha256) => Convert.ToHexStringLower(sha256)[..Math.Min(12, sha256.Length * 2)] + "…";

    private static byte[] Unpack(long rawSize, byte[] packed)
    {
        byte[] raw = new byte[rawSize];
        using var brotli = new BrotliStream(new MemoryStream(packed), CompressionMode.Decompress);
        brotli.ReadExactly(raw);
        return raw;
    }
}
