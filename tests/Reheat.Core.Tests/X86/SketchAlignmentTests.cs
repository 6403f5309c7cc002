using Reheat.Core.X86;
using Xunit;

namespace Reheat.Core.Tests.X86;

public sealed class SketchAlignmentTests
{
    [Fact]
    public void A_function_is_found_whole_in_itself()
    {
        CodeSketch sketch = Random(300, 1);

        SketchMatch[] matches = SketchAlignment.Align(sketch, sketch);

        Assert.Equal(Enumerable.Range(0, 300).Select(i => new SketchMatch(i, true, 1)), matches);
    }

    [Theory]
    [InlineData("abcdefgh", "abcXdefgh", "0 1 2 4 5 6 7 8")] // something came
    [InlineData("abcdefgh", "abdefgh", "0 1 - 2 3 4 5 6")] // something went
    [InlineData("abcdefgh", "abXdefgh", "0 1 - 3 4 5 6 7")] // something else
    [InlineData("abcdefgh", "", "- - - - - - - -")]
    [InlineData("", "abc", "")]
    [InlineData("aaaa", "aaaaa", "0 1 2 3")]
    [InlineData("xaybzc", "abc", "- 0 - 1 - 2")]
    [InlineData("abcabcabc", "abcXabcabc", "0 1 2 4 5 6 7 8 9")]
    public void Instructions_are_found_in_order(string from, string to, string expected)
    {
        SketchMatch[] matches = SketchAlignment.Align(Sketch(from), Sketch(to));

        Assert.Equal(expected, string.Join(' ', matches.Select(m => m.IsFound ? $"{m.Ordinal}" : "-")));
    }

    [Fact]
    public void The_same_mnemonic_with_other_registers_is_a_loose_match_of_less_confidence()
    {
        CodeSketch from = Parse("1101 2202 3303 4404 5505"), to = Parse("1101 2202 9903 4404 5505");

        SketchMatch[] matches = SketchAlignment.Align(from, to);

        Assert.Equal((2, false), (matches[2].Ordinal, matches[2].IsStrict));
        Assert.InRange(matches[2].Confidence, SketchMatch.Trusted, 0.9);
        Assert.True(matches[1].Confidence > matches[2].Confidence);
    }

    [Fact]
    public void A_match_that_nothing_around_it_supports_is_not_trusted()
    {
        // One instruction of another function that happens to be the same.
        SketchMatch[] matches = SketchAlignment.Align(Parse("1101 2202 3303 4404 5505 6606 7707"), Parse("a1b1 a2b2 a3b3 4404 a5b5 a6b6 a7b7"));

        Assert.True(matches[3].IsFound);
        Assert.True(matches[3].Confidence < SketchMatch.Trusted);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Matches_ascend_agree_and_outlive_edits(int seed)
    {
        var random = new System.Random(seed);
        ushort[] before = Random(1500, seed).Elements.ToArray();
        var after = before.ToList();
        for (int i = 0; i < 60; i++)
        {
            int at = random.Next(after.Count);
            if (random.Next(2) == 0)
                after.RemoveAt(at);
            else
                after.Insert(at, (ushort)random.Next(65536));
        }

        SketchMatch[] matches = SketchAlignment.Align(new CodeSketchOf(before), new CodeSketchOf([.. after]));

        int[] found = [.. matches.Where(m => m.IsFound).Select(m => m.Ordinal)];
        Assert.Equal(found.Order().Distinct(), found);
        Assert.All(matches.Select((m, i) => (m, i)).Where(e => e.m.IsStrict), e => Assert.Equal(before[e.i], after[e.m.Ordinal]));
        Assert.True(matches.Count(m => m.IsStrict) > 1400);
        Assert.Equal(matches, SketchAlignment.Align(new CodeSketchOf(before), new CodeSketchOf([.. after])));
    }

    [Fact]
    public void The_largest_functions_take_no_long_time()
    {
        // Nothing in common and nothing that occurs once: the worst case.
        CodeSketch from = Parse(string.Concat(Enumerable.Repeat("1101 2202 ", 15_000))), to = Parse(string.Concat(Enumerable.Repeat("3303 4404 ", 15_000)));

        Assert.All(SketchAlignment.Align(from, to), m => Assert.False(m.IsFound));
    }

    private static CodeSketch Sketch(string letters) => Parse(string.Join(' ', letters.Select(c => $"{(int)c:x2}{(int)c:x2}")));

    private static CodeSketch Random(int count, int seed)
    {
        var random = new System.Random(seed);
        return new CodeSketchOf([.. Enumerable.Range(0, count).Select(_ => (ushort)random.Next(2000))]);
    }

    private static CodeSketch Parse(string text)
    {
        Assert.True(CodeSketch.TryParse(text.Replace(" ", "", StringComparison.Ordinal), out CodeSketch sketch));
        return sketch;
    }

    private sealed class CodeSketchOf(ushort[] elements)
    {
        public static implicit operator CodeSketch(CodeSketchOf sketch) => Parse(string.Concat(sketch.Elements.Select(e => e.ToString("x4", System.Globalization.CultureInfo.InvariantCulture))));

        private ushort[] Elements => elements;
    }
}
