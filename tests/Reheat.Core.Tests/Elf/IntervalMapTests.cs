using Reheat.Core.Elf;
using Xunit;

namespace Reheat.Core.Tests.Elf;

public sealed class IntervalMapTests
{
    [Fact]
    public void Lookups_equal_a_search_of_all_intervals()
    {
        var random = new Random(7);
        for (int round = 0; round < 300; round++)
        {
            var intervals = new List<Interval>();
            for (int i = random.Next(0, 30); i > 0; i--)
            {
                ulong start = (ulong)random.Next(0, 60);
                intervals.Add(new Interval(start, start + (ulong)random.Next(0, 20), intervals.Count));
            }
            Interval[] all = [.. intervals];
            IntervalMap map = IntervalMap.Build(intervals);
            for (ulong address = 0; address < 90; address++)
            {
                // The one that starts last; of one start the shortest; of equal ones the lowest value.
                Interval[] there = [.. all.Where(i => i.Start <= address && address < i.End)
                    .OrderByDescending(i => i.Start).ThenBy(i => i.End).ThenBy(i => i.Value)];
                Assert.Equal(there.Length == 0 ? IntervalMap.None : there[0].Value, map.Find(address));
            }
        }
    }

    [Fact]
    public void The_ends_of_the_address_space_are_addresses_too()
    {
        IntervalMap map = IntervalMap.Build([new Interval(0, 1, 1), new Interval(ulong.MaxValue - 1, ulong.MaxValue, 2)]);
        Assert.Equal(1, map.Find(0));
        Assert.Equal(IntervalMap.None, map.Find(1));
        Assert.Equal(2, map.Find(ulong.MaxValue - 1));
        Assert.Equal(IntervalMap.None, map.Find(ulong.MaxValue));
        Assert.Equal(IntervalMap.None, IntervalMap.Build([]).Find(5));
    }
}
