using System.Text;
using Reheat.Agent.Kvm;
using Reheat.Loop.Tests.Fixtures;
using Xunit;

namespace Reheat.Loop.Tests.Kvm;

/// <summary>Texts that nobody wrote: nothing throws, and every line is counted as one thing or another.</summary>
public sealed class FuzzTests
{
    private static readonly string[] Seeds = [.. Recording.Kept.SelectMany(name => File.ReadLines(Recording.PathOf(name)).Take(120))];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Whatever_a_line_holds_it_is_counted_once_and_nothing_throws(int seed)
    {
        var random = new Random(seed);
        using var fold = new Folding(TestImage.Get());
        const int Lines = 40_000;
        for (int i = 0; i < Lines; i++)
            fold.Folder.Take(Line(random));

        Assert.Equal(Lines, fold.Folder.Lines);
        Assert.Equal(Lines, fold.Folder.Understood + fold.Folder.Other.Lines + fold.Folder.NotUnderstood.Lines);
        Assert.True(fold.Folder.Understood > 0 && fold.Folder.NotUnderstood.Lines > 0, "the seeds are lost, or the mutations are none");
        Assert.All(fold.Folder.NotUnderstood.Kinds, k => Assert.DoesNotContain(k.Example, char.IsControl));
        TraceBlock block = fold.Folder.Cut(0, 1, 0);
        // Nothing but addresses of the image can be in rows; all else that trapped is in the drops.
        Assert.Equal(fold.Folder.Traps, (ulong)block.Rows.Sum(r => r.Executions) + block.Drops.Aggregate(0UL, (sum, d) => sum + d.Traps));
        Assert.True(fold.Folder.Threads <= 1 << 16);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(5)]
    public void A_line_whose_beginning_is_known_is_split_as_one_that_is_not(int seed)
    {
        var random = new Random(seed);
        var heads = new LineHeads();
        int split = 0;
        for (int i = 0; i < 200_000; i++)
        {
            byte[] line = Line(random);
            bool known = heads.TrySplit(line, out TraceLine quick), plain = TraceLine.TrySplit(line, out TraceLine slow);
            string text = Encoding.Latin1.GetString(line);
            Assert.True(known == plain, text);
            if (!plain)
                continue;
            split++;
            Assert.True(quick.Thread == slow.Thread && quick.Event == slow.Event && quick.Start == slow.Start, $"{text}\n{quick.Thread} {quick.Event} {quick.Start}\n{slow.Thread} {slow.Event} {slow.Start}");
            Assert.True(quick.Name.SequenceEqual(slow.Name) && quick.Text.SequenceEqual(slow.Text), text);
        }
        Assert.True(split > 100_000, "the seeds are lost");
        Assert.True(heads.Quick > split / 3, $"{heads.Quick} of {split}: no beginning is ever known");
    }

    [Fact]
    public void A_hostile_text_fills_no_memory_with_kinds_or_threads()
    {
        using var fold = new Folding(TestImage.Get());
        for (int i = 0; i < 200_000; i++)
            fold.Folder.Take(Encoding.ASCII.GetBytes($"a-{i} [0] 1.1: event_{i}: x"));
        for (int i = 0; i < 200_000; i++)
            fold.Folder.Take(Encoding.ASCII.GetBytes($"a-{i} [0] 1.1: kvm_entry: x"));

        Assert.True(fold.Folder.Other.Kinds.Count <= 257);
        Assert.Equal(200_000, fold.Folder.Other.Lines);
        Assert.True(fold.Folder.Threads <= 1 << 16);
    }

    private static byte[] Line(Random random)
    {
        byte[] line = Encoding.UTF8.GetBytes(Seeds[random.Next(Seeds.Length)]);
        for (int changes = random.Next(4); changes > 0 && line.Length > 0; changes--)
        {
            int at = random.Next(line.Length);
            line = random.Next(8) switch
            {
                0 => [.. line[..at]],
                1 => [.. line[at..]],
                2 => [.. line[..at], .. Noise(random), .. line[at..]],
                3 => [.. line[..at], .. "é\u2028"u8.ToArray()[..random.Next(1, 5)], .. line[at..]],
                4 => [.. line, .. line],
                5 => Noise(random),
                6 => Replaced(line, at, (byte)" :[]-/(x0\0\r"[random.Next(11)]),
                _ => Replaced(line, at, (byte)random.Next(256)),
            };
        }
        return line;
    }

    private static byte[] Replaced(byte[] line, int at, byte with)
    {
        line[at] = with;
        return line;
    }

    private static byte[] Noise(Random random)
    {
        byte[] noise = new byte[random.Next(random.Next(20) == 0 ? 5000 : 20)];
        random.NextBytes(noise);
        noise.AsSpan().Replace((byte)'\n', (byte)' ');
        return noise;
    }
}
