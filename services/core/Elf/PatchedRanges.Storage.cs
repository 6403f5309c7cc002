using System.Diagnostics.CodeAnalysis;
using System.Numerics;

namespace Reheat.Core.Elf;

public sealed partial class PatchedRanges
{
    private const byte FormatVersion = 1;

    /// <summary>
    /// For storage beside an image's skeleton: a version, the count, then per place the distance from the start of the one before,
    /// the length, and the kind's bit number, all LEB128. About 4 bytes a place.
    /// </summary>
    public byte[] ToBytes()
    {
        var writer = new LebWriter();
        writer.Byte(FormatVersion);
        writer.Unsigned((ulong)All.Count);
        ulong before = 0;
        foreach (PatchedRange range in All)
        {
            writer.Unsigned(range.Start.Value - before);
            writer.Unsigned(range.Length);
            writer.Byte((byte)BitOperations.Log2((uint)range.Kind));
            before = range.Start.Value;
        }
        return writer.ToArray();
    }

    /// <summary>Reads what <see cref="ToBytes"/> wrote; false for anything else.</summary>
    public static bool TryFromBytes(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out PatchedRanges? ranges)
    {
        ranges = null;
        var reader = new LebReader(bytes);
        // A place has at least three bytes, which bounds the count.
        if (reader.Byte() != FormatVersion || reader.Unsigned() is var count && count > (ulong)bytes.Length / 3)
            return false;
        var list = new List<PatchedRange>((int)count);
        ulong start = 0;
        for (ulong i = 0; i < count; i++)
        {
            start = unchecked(start + reader.Unsigned());
            ulong length = reader.Unsigned();
            int kind = reader.Byte();
            if (reader.IsBroken || kind > BitOperations.Log2((uint)PatchKinds.Noinstr) || length == 0 || start > ulong.MaxValue - length)
                return false;
            list.Add(new PatchedRange(new ImageAddress(start), length, (PatchKinds)(1 << kind)));
        }
        ranges = new PatchedRanges(list);
        return reader.IsAtEnd;
    }
}
