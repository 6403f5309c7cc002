using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Reheat.Agent.Kvm;

/// <summary>
/// What lines begin with: command, thread and processor. A recording of hours knows a handful of such beginnings, so each is taken apart once, by
/// <see cref="TraceLine.TrySplit(ReadOnlySpan{byte}, out TraceLine)"/>, and compared whole from then on. The answer is the same in all cases.
/// </summary>
internal sealed class LineHeads
{
    private const int Bits = 9;
    private const int Shortest = 8, Longest = 96;

    private struct Head
    {
        public byte[]? Bytes;
        public long Thread;
    }

    private readonly Head[] _heads = new Head[1 << Bits];

    /// <summary>Lines whose beginning was known.</summary>
    public long Quick { get; private set; }

    /// <summary>Splits a line.</summary>
    /// <returns>False if it names no event.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public bool TrySplit(ReadOnlySpan<byte> line, out TraceLine split)
    {
        int end = line.IndexOf((byte)']') + 1;
        if (end is < Shortest or > Longest)
            return TraceLine.TrySplit(line, out split);
        int word = WordAfterTime(line, end);
        ref Head head = ref _heads[Slot(line[..end])];
        if (word > 0 && head.Bytes is { } known && line[..end].SequenceEqual(known))
        {
            Quick++;
            return TraceLine.TrySplit(line, word, head.Thread, out split);
        }
        if (!TraceLine.TrySplit(line, out split))
            return false;
        // The bracket closes round a processor, and no event stands before it. So it is in every line that begins alike and has nothing but flags
        // and a time between this and its event.
        if (word > 0 && split.Start == word && line[..end].LastIndexOf(" ["u8) is var open and > 0 && TraceLine.IsCpu(line[(open + 2)..end]))
            head = new Head { Bytes = line[..end].ToArray(), Thread = split.Thread };
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Slot(ReadOnlySpan<byte> head)
    {
        ulong mixed = BinaryPrimitives.ReadUInt64LittleEndian(head) ^ (BinaryPrimitives.ReadUInt64LittleEndian(head[^8..]) * 31) ^ (uint)head.Length;
        return (int)((mixed * 0x9e37_79b9_7f4a_7c15) >> (64 - Bits));
    }

    /// <summary>Where the word behind <c>[FLAGS] TIME: </c> begins; 0 if something else stands there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int WordAfterTime(ReadOnlySpan<byte> line, int i)
    {
        i = Spaces.End(line, i);
        if (!SkipDigits(line, ref i))
        {
            while (i < line.Length && line[i] is not ((byte)' ' or (byte)':' or (byte)'['))
                i++;
            if (i == line.Length || line[i] != ' ')
                return 0;
            i = Spaces.End(line, i);
            if (!SkipDigits(line, ref i))
                return 0;
        }
        if (i >= line.Length || line[i++] != '.' || !SkipDigits(line, ref i) || i + 1 >= line.Length || line[i] != ':' || line[i + 1] != ' ')
            return 0;
        i += 2;
        i = Spaces.End(line, i);
        return i < line.Length ? i : 0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool SkipDigits(ReadOnlySpan<byte> line, ref int i)
    {
        int first = i;
        while (i < line.Length && line[i] is >= (byte)'0' and <= (byte)'9')
            i++;
        return i > first;
    }
}
