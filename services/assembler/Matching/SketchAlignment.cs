using Reheat.Core.X86;

namespace Reheat.Assembler.Matching;

/// <summary>Where the instructions of a traced function are in its present form.</summary>
/// <param name="Ordinals">For each old ordinal the new one; -1 for one that is gone.</param>
/// <param name="Similarity">0 to 1: how much of the longer of the two found its like.</param>
internal sealed record AlignedCode(int[] Ordinals, double Similarity)
{
    /// <summary>
    /// 0 to 1: how surely one instruction was found again: by itself and by what stands around it. A changed function has parts
    /// that did not change, and a site in one of these is as sure as ever.
    /// </summary>
    public double Confidence(int ordinal, ReadOnlySpan<ushort> before, ReadOnlySpan<ushort> now)
    {
        const int Around = 6;
        int found = Ordinals[ordinal];
        if (found < 0)
            return 0;
        double sum = 0, most = 0;
        for (int distance = -Around; distance <= Around; distance++)
        {
            int old = ordinal + distance;
            if (old < 0 || old >= before.Length)
                continue;
            double weight = distance == 0 ? 3 : 1.0 / Math.Abs(distance) + 0.25;
            most += weight;
            int present = Ordinals[old];
            if (present < 0)
                continue;
            // What moved apart speaks less than what stayed beside.
            double near = Math.Abs(present - found - distance) switch { 0 => 1, <= 3 => 0.8, _ => 0.4 };
            sum += weight * near * (CodeSketch.Strict(before[old], now[present]) ? 1 : 0.6);
        }
        return sum / most;
    }
}

/// <summary>
/// Aligns two sketches: what agrees strictly counts most, what agrees loosely (the same mnemonic with other registers or
/// fields) still counts, order is kept.
/// </summary>
internal static class SketchAlignment
{
    private const int Strict = 5;
    private const int Loose = 2;
    private const int Gap = -1;

    // Beyond, memory grows past what a compiler's child may take: such functions align by their common ends alone.
    private const long MostCells = 64 << 20;

    public static AlignedCode Align(ReadOnlySpan<ushort> before, ReadOnlySpan<ushort> now)
    {
        int[] ordinals = new int[before.Length];
        Array.Fill(ordinals, -1);
        int head = 0;
        while (head < before.Length && head < now.Length && before[head] == now[head])
        {
            ordinals[head] = head;
            head++;
        }
        int tail = 0;
        while (tail < before.Length - head && tail < now.Length - head && before[^(tail + 1)] == now[^(tail + 1)])
        {
            ordinals[before.Length - tail - 1] = now.Length - tail - 1;
            tail++;
        }
        Middle(before[head..^tail], now[head..^tail], ordinals.AsSpan(head, before.Length - head - tail), head);
        double agreed = 0;
        for (int i = 0; i < ordinals.Length; i++)
        {
            if (ordinals[i] >= 0)
                agreed += CodeSketch.Strict(before[i], now[ordinals[i]]) ? 1 : 0.5;
        }
        int longer = Math.Max(before.Length, now.Length);
        return new AlignedCode(ordinals, longer == 0 ? 0 : agreed / longer);
    }

    // Needleman and Wunsch.
    private static void Middle(ReadOnlySpan<ushort> before, ReadOnlySpan<ushort> now, Span<int> ordinals, int offset)
    {
        int width = now.Length + 1;
        if (before.IsEmpty || now.IsEmpty || (long)(before.Length + 1) * width > MostCells)
            return;
        byte[] steps = new byte[(before.Length + 1) * width];
        int[] above = new int[width];
        int[] row = new int[width];
        for (int j = 1; j < width; j++)
        {
            above[j] = j * Gap;
            steps[j] = 2;
        }
        for (int i = 1; i <= before.Length; i++)
        {
            row[0] = i * Gap;
            steps[i * width] = 1;
            for (int j = 1; j < width; j++)
            {
                ushort a = before[i - 1], b = now[j - 1];
                int score = a == b ? Strict : CodeSketch.Loose(a, b) ? Loose : -Strict;
                int best = above[j - 1] + score;
                byte step = 0;
                if (above[j] + Gap > best)
                    (best, step) = (above[j] + Gap, 1);
                if (row[j - 1] + Gap > best)
                    (best, step) = (row[j - 1] + Gap, 2);
                row[j] = best;
                steps[i * width + j] = step;
            }
            (above, row) = (row, above);
        }
        for (int i = before.Length, j = now.Length; i > 0 || j > 0;)
        {
            switch (steps[i * width + j])
            {
                case 0:
                    i--;
                    j--;
                    if (CodeSketch.Loose(before[i], now[j]))
                        ordinals[i] = j + offset;
                    break;
                case 1:
                    i--;
                    break;
                default:
                    j--;
                    break;
            }
        }
    }
}
