namespace Reheat.Core.X86;

/// <summary>Where an instruction of a function stands in a changed version of it.</summary>
/// <param name="Ordinal">There; -1 if it is not to be found.</param>
/// <param name="IsStrict">True if most likely the same normalised instruction, false if only the same mnemonic and kinds of operands.</param>
/// <param name="Confidence">0 to 1: 1 if it and all of its neighbours were found as they were.</param>
public readonly record struct SketchMatch(int Ordinal, bool IsStrict, double Confidence)
{
    /// <summary>Below this a match is a guess: not to be acted on.</summary>
    public const double Trusted = 0.5;

    /// <summary>Not found.</summary>
    public static SketchMatch None { get; } = new(-1, false, 0);

    /// <summary>True if it was found.</summary>
    public bool IsFound => Ordinal >= 0;
}

/// <summary>
/// Aligns two versions of a function by their sketches: what both have once is matched first and in order, then the longest common
/// subsequence of what lies between, strictly; then loosely in the gaps that are left. The same sketches give the same matches.
/// </summary>
public sealed class SketchAlignment
{
    // Cells of a table of the longest common subsequence: 2,048 instructions by as many, 8 MiB.
    private const long MostCells = 1 << 22;

    private const int Neighbours = 8;
    private const double LooseWeight = 0.7, OwnWeight = 0.4;

    private readonly ushort[] _from, _to;
    private readonly int[] _map;

    private SketchAlignment(CodeSketch from, CodeSketch to)
    {
        (_from, _to) = (from.Elements.ToArray(), to.Elements.ToArray());
        _map = new int[_from.Length];
        Array.Fill(_map, -1);
    }

    /// <summary>A match for each ordinal of <paramref name="from"/>.</summary>
    public static SketchMatch[] Align(CodeSketch from, CodeSketch to)
    {
        var alignment = new SketchAlignment(from, to);
        alignment.Strictly(0, from.Elements.Length, 0, to.Elements.Length);
        alignment.Loosely();
        return [.. alignment._map.Select((_, i) => alignment.MatchOf(i))];
    }

    /// <summary>0 to 1: how much of the longer of two versions found its like in the other; a loose match is worth half a strict one.</summary>
    /// <param name="matches">As <see cref="Align"/> gives them.</param>
    /// <param name="to">The version that was aligned to.</param>
    public static double Similarity(ReadOnlySpan<SketchMatch> matches, CodeSketch to)
    {
        double agreed = 0;
        foreach (SketchMatch match in matches)
            agreed += !match.IsFound ? 0 : match.IsStrict ? 1 : 0.5;
        int longer = Math.Max(matches.Length, to.Elements.Length);
        return longer == 0 ? 0 : agreed / longer;
    }

    private SketchMatch MatchOf(int i)
    {
        if (_map[i] < 0)
            return SketchMatch.None;
        int seen = 0, kept = 0;
        for (int n = Math.Max(i - Neighbours, 0); n <= Math.Min(i + Neighbours, _from.Length - 1); n++)
        {
            if (n == i)
                continue;
            seen++;
            // A neighbour that moved away is no support.
            if (_map[n] >= 0 && Math.Abs(_map[n] - _map[i] - (n - i)) <= Neighbours && CodeSketch.Strict(_from[n], _to[_map[n]]))
                kept++;
        }
        bool strict = CodeSketch.Strict(_from[i], _to[_map[i]]);
        double support = seen == 0 ? 1 : (double)kept / seen;
        return new SketchMatch(_map[i], strict, Math.Round((strict ? 1 : LooseWeight) * (OwnWeight + ((1 - OwnWeight) * support)), 4));
    }

    private void Strictly(int a, int aEnd, int b, int bEnd)
    {
        while (a < aEnd && b < bEnd && _from[a] == _to[b])
            _map[a++] = b++;
        while (a < aEnd && b < bEnd && _from[aEnd - 1] == _to[bEnd - 1])
            _map[--aEnd] = --bEnd;
        if (a == aEnd || b == bEnd)
            return;
        List<(int A, int B)> anchors = Anchors(a, aEnd, b, bEnd);
        if (anchors.Count == 0)
        {
            Longest(a, aEnd, b, bEnd, CodeSketch.Strict);
            return;
        }
        foreach ((int anchorA, int anchorB) in anchors)
        {
            Strictly(a, anchorA, b, anchorB);
            _map[anchorA] = anchorB;
            (a, b) = (anchorA + 1, anchorB + 1);
        }
        Strictly(a, aEnd, b, bEnd);
    }

    private void Loosely()
    {
        int a = 0, b = 0;
        for (int i = 0; i <= _from.Length; i++)
        {
            if (i < _from.Length && _map[i] < 0)
                continue;
            int end = i < _from.Length ? _map[i] : _to.Length;
            if (i > a && end > b)
                Longest(a, i, b, end, CodeSketch.Loose);
            (a, b) = (i + 1, end + 1);
        }
    }

    // What occurs once on either side, as far as both have it in one order (patience difference).
    private List<(int A, int B)> Anchors(int a, int aEnd, int b, int bEnd)
    {
        var once = new Dictionary<ushort, (int A, int B, int Times)>();
        for (int i = a; i < aEnd; i++)
            once[_from[i]] = once.TryGetValue(_from[i], out (int, int, int) known) ? (i, -1, known.Item3 + 1) : (i, -1, 1);
        for (int i = b; i < bEnd; i++)
        {
            if (once.TryGetValue(_to[i], out (int A, int B, int Times) known))
                once[_to[i]] = (known.A, i, known.Times + (known.B >= 0 ? 1 : 0));
        }
        var pairs = once.Values.Where(e => e.Times == 1 && e.B >= 0).Select(e => (e.A, e.B)).OrderBy(e => e.A).ToList();
        return Increasing(pairs);
    }

    private static List<(int A, int B)> Increasing(List<(int A, int B)> pairs)
    {
        var piles = new List<int>();
        int[] before = new int[pairs.Count];
        for (int i = 0; i < pairs.Count; i++)
        {
            int pile = piles.FindIndex(top => pairs[top].B > pairs[i].B);
            before[i] = (pile < 0 ? piles.Count : pile) is > 0 and var place ? piles[place - 1] : -1;
            if (pile < 0)
                piles.Add(i);
            else
                piles[pile] = i;
        }
        var longest = new List<(int, int)>();
        for (int i = piles.Count > 0 ? piles[^1] : -1; i >= 0; i = before[i])
            longest.Add(pairs[i]);
        longest.Reverse();
        return longest;
    }

    private void Longest(int a, int aEnd, int b, int bEnd, Func<ushort, ushort, bool> same)
    {
        int rows = aEnd - a, columns = bEnd - b;
        if ((long)(rows + 1) * (columns + 1) > MostCells)
            return;
        ushort[] length = new ushort[(rows + 1) * (columns + 1)];
        int At(int row, int column) => (row * (columns + 1)) + column;
        for (int row = rows - 1; row >= 0; row--)
        {
            for (int column = columns - 1; column >= 0; column--)
            {
                length[At(row, column)] = same(_from[a + row], _to[b + column])
                    ? (ushort)(length[At(row + 1, column + 1)] + 1)
                    : Math.Max(length[At(row + 1, column)], length[At(row, column + 1)]);
            }
        }
        for (int row = 0, column = 0; row < rows && column < columns;)
        {
            if (same(_from[a + row], _to[b + column]))
                _map[a + row++] = b + column++;
            else if (length[At(row + 1, column)] >= length[At(row, column + 1)])
                row++;
            else
                column++;
        }
    }
}
