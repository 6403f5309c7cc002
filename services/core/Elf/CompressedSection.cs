using System.Buffers.Binary;
using System.IO.Compression;

namespace Reheat.Core.Elf;

/// <summary>Inflates sections with an <c>Elf_Chdr</c> (gABI "Section Compression"), never beyond what the header declares.</summary>
internal static class CompressedSection
{
    private const uint Zlib = 1;
    private const uint Zstandard = 2;

    // Debug sections shrink to a third or a tenth. Beyond 64:1 (over a slack for small ones) a section is taken for a bomb.
    private const long Ratio = 64;
    private const long Slack = 16 << 20;

    /// <summary>What that many bytes can inflate to, as far as this reader believes it.</summary>
    public static long MostInflated(long compressed) => compressed * Ratio + Slack;

    /// <summary>The contents, empty if they cannot be had; the reason goes to <paramref name="bag"/>.</summary>
    public static byte[] Inflate(ReadOnlySpan<byte> stored, bool is64, string place, long budget, DiagnosticBag bag)
    {
        int header = is64 ? 24 : 12;
        if (stored.Length < header)
        {
            if (!stored.IsEmpty)
                bag.Add(DiagnosticId.ElfTruncated, place, $"{stored.Length} bytes: the compression header alone has {header}");
            return [];
        }
        uint type = BinaryPrimitives.ReadUInt32LittleEndian(stored);
        ulong size = is64 ? BinaryPrimitives.ReadUInt64LittleEndian(stored[8..]) : BinaryPrimitives.ReadUInt32LittleEndian(stored[4..]);
        if (type == Zlib)
            return InflateZlib(stored[header..], size, place, budget, bag);
        bag.Add(
            DiagnosticId.ElfBadSection, place,
            type == Zstandard
                ? "compressed with zstd, which is not supported: recompress with `objcopy --compress-debug-sections=zlib`"
                : $"compression type {type}: only 1 (zlib) is supported");
        return [];
    }

    /// <summary>Inflates a zlib stream of exactly <paramref name="size"/> bytes.</summary>
    public static unsafe byte[] InflateZlib(ReadOnlySpan<byte> compressed, ulong size, string place, long budget, DiagnosticBag bag)
    {
        ulong most = (ulong)Math.Min(Math.Min(MostInflated(compressed.Length), Math.Max(budget, 0)), Array.MaxLength);
        if (size > most)
        {
            bag.Add(
                DiagnosticId.ElfBadSection, place,
                $"{compressed.Length} compressed bytes declare {size}: more than {most} is taken for a decompression bomb");
            return [];
        }
        // The declared size is not believed before that much has come out.
        byte[] bytes = new byte[Math.Min(size, (ulong)compressed.Length * 8 + (64 << 10))];
        int filled = 0;
        try
        {
            fixed (byte* pointer = compressed)
            {
                using var input = new UnmanagedMemoryStream(pointer, compressed.Length);
                using var zlib = new ZLibStream(input, CompressionMode.Decompress);
                while (filled < (int)size)
                {
                    if (filled == bytes.Length)
                        Array.Resize(ref bytes, (int)Math.Min(size, (ulong)bytes.Length * 2));
                    int read = zlib.Read(bytes, filled, bytes.Length - filled);
                    if (read == 0)
                        break;
                    filled += read;
                }
            }
        }
        catch (InvalidDataException error)
        {
            bag.Add(DiagnosticId.ElfBadSection, place, $"zlib stream is corrupt after {filled} bytes: {error.Message}");
            return [];
        }
        if ((ulong)filled == size)
            return bytes;
        bag.Add(DiagnosticId.ElfTruncated, place, $"zlib stream ends after {filled} of {size} bytes");
        return [];
    }
}
