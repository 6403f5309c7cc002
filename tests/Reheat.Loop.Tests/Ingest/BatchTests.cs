using Google.Protobuf;
using Reheat.Core;
using Reheat.Loop.Tests.Fixtures;
using Reheat.V1;
using Xunit;

namespace Reheat.Loop.Tests.Ingest;

/// <summary>Batches over a real stream: what is counted, once, and what is not.</summary>
public sealed class BatchTests : IAsyncLifetime
{
    private TestDatabase _database = null!;
    private LoopServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await TestCluster.Instance.CreateAsync();
        _server = await LoopServer.StartAsync(_database.ConnectionString);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _database.DisposeAsync();
    }

    [Fact]
    public async Task The_welcome_tells_the_marks_and_an_acknowledgement_comes_after_the_commit()
    {
        using (RawStream first = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w", h => h.Rings.Add(5))))
        {
            Assert.Equal([(0u, 0UL), (5u, 0UL)], first.Welcome.Marks.Select(m => (m.Ring, m.Position)));
            Assert.Equal(100_000u, first.Welcome.Limits.MaxBatchRows);
            Assert.Equal(10UL, await first.CountAsync(first.Batch(0, 10, (0x1000, 4), (0x1004, 6))));
            await _database.AssertTrapsAsync(10); // no wait: acknowledged is committed
        }

        using RawStream second = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w", h => h.Rings.Add(5)));
        Assert.Equal([(0u, 10UL), (5u, 0UL)], second.Welcome.Marks.Select(m => (m.Ring, m.Position)));
    }

    [Fact]
    public async Task A_duplicate_is_acknowledged_and_not_counted()
    {
        using RawStream stream = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w"));
        await stream.CountAsync(stream.Batch(0, 10, (0x1000, 10)));

        Assert.Equal(10UL, await stream.CountAsync(stream.Batch(0, 10, (0x1000, 10))));
        Assert.Equal(10UL, await stream.CountAsync(stream.Batch(3, 7, (0x1000, 4))));

        await _database.AssertTrapsAsync(10);
    }

    [Fact]
    public async Task Sites_of_a_duplicate_that_was_never_counted_are_still_known_as_new_when_they_come()
    {
        using RawStream stream = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w"));
        await stream.CountAsync(stream.Batch(0, 10, (0x1000, 10)));
        await stream.CountAsync(stream.Batch(0, 10, (0x2000, 10)));

        await stream.CountAsync(stream.Batch(10, 15, (0x2000, 5)));

        Assert.Equal(new Dictionary<long, long> { [0x1000] = 10, [0x2000] = 5 }, await _database.ByAddressAsync());
    }

    [Fact]
    public async Task A_gap_and_an_overlap_are_refused_with_the_position_that_is_expected()
    {
        using RawStream stream = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w"));
        await stream.CountAsync(stream.Batch(0, 10, (0x1000, 10)));

        await stream.SendAsync(stream.Batch(11, 20, (0x1000, 9)));
        BatchRefused gap = await stream.RefusedBatchAsync();
        await stream.SendAsync(stream.Batch(9, 20, (0x1000, 11)));
        BatchRefused overlap = await stream.RefusedBatchAsync();

        Assert.Equal((RefusalReason.Gap, 10UL, 11UL, 20UL), (gap.Reason, gap.Expected, gap.From, gap.To));
        Assert.Equal((RefusalReason.Overlap, 10UL, 9UL, 20UL), (overlap.Reason, overlap.Expected, overlap.From, overlap.To));
        Assert.Contains("mark 10", gap.Message, StringComparison.Ordinal);
        // The stream goes on.
        Assert.Equal(12UL, await stream.CountAsync(stream.Batch(10, 12, (0x1000, 2))));
        await _database.AssertTrapsAsync(12);
    }

    [Fact]
    public async Task Batches_sent_without_waiting_are_counted_in_order_and_rings_apart()
    {
        using RawStream stream = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w", h => h.Rings.Add(1)));
        for (ulong i = 0; i < 50; i++)
        {
            Batch batch = stream.Batch(i, i + 1, (0x1000 + i, 1));
            await stream.SendAsync(batch);
            batch = stream.Batch(i, i + 1, (0x1000, 1));
            batch.Ring = 1;
            await stream.SendAsync(batch);
        }
        await stream.CompleteAsync();

        await _database.AssertTrapsAsync(100);
        Assert.Equal([50, 50], await _database.RowsAsync<long>("SELECT position FROM reheat_data.marks ORDER BY ring"));
        Assert.Equal(51, (await _database.ByAddressAsync())[0x1000]);
    }

    [Fact]
    public async Task Two_wedges_on_the_same_sites_add_up_and_the_sketch_knows_both()
    {
        async Task CountAsync(string wedge, ulong traps)
        {
            using RawStream stream = await RawStream.OpenAsync(_server.Address, RawStream.Hello(wedge));
            for (ulong i = 0; i < 20; i++)
                await stream.SendAsync(stream.Batch(i * traps, (i + 1) * traps, (0x2000, traps - 1), (0x1000, 1)));
            await stream.CompleteAsync();
        }
        await Task.WhenAll(CountAsync("one", 3), CountAsync("two", 5));

        await _database.AssertTrapsAsync(160);
        Assert.Equal([(0x1000, 40, 2), (0x2000, 120, 2)], await _database.RowsAsync<(long, long, int)>(
            """
            SELECT s.address, t.executions, reheat.distinct_wedges(t.wedges)
            FROM reheat_data.site_totals t JOIN reheat_data.sites s USING (site) ORDER BY s.address
            """));
    }

    [Fact]
    public async Task Elements_are_kept_beside_executions()
    {
        using RawStream stream = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w"));
        Batch batch = stream.Batch(0, 100, (0x1000, 2), (0x1000, 1));
        batch.Elements.Add([90, 8]);
        await stream.CountAsync(batch);

        Assert.Equal([(3, 98)], await _database.RowsAsync<(long, long)>("SELECT executions, elements FROM reheat_data.site_totals"));
        Assert.Equal([(3, 98)], await _database.RowsAsync<(long, long)>("SELECT executions, elements FROM reheat_data.counts"));
    }

    [Fact]
    public async Task Drops_add_up_and_counters_of_the_wedge_are_absolute()
    {
        using RawStream stream = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w"));
        for (ulong i = 0; i < 2; i++)
        {
            Batch batch = stream.Batch(i * 10, (i + 1) * 10, (0x1000, 5));
            batch.Drops.Add(new Drop { Reason = DropReason.UnknownOperation, Traps = 2, Records = 3 });
            batch.Counters = new RingCounters { Traps = 100 + i, DroppedTraps = 7, DroppedRecords = 8, OutsideTraps = 9, Spurious = 4 };
            await stream.CountAsync(batch);
        }

        Assert.Equal([(4, 6)], await _database.RowsAsync<(long, long)>("SELECT traps, records FROM reheat_data.drops"));
        Assert.Equal([(101, 7, 8, 9, 4)], await _database.RowsAsync<(long, long, long, long, long)>(
            "SELECT wedge_traps, ring_full_traps, ring_full_records, outside_traps, spurious FROM reheat_data.marks"));
    }

    [Fact]
    public async Task Bytes_of_new_sites_are_asked_for_once_and_the_first_to_come_stay()
    {
        using RawStream stream = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w"));
        await stream.SendAsync(stream.Batch(0, 2, (0x1000, 1), (0x2000, 1)));
        WantedSites wanted = (await stream.NextAsync(IngestResponse.MessageOneofCase.WantedSites)).WantedSites;
        Assert.Equal([0u, 1u], wanted.Site.Order());
        await stream.AckAsync();
        foreach (byte code in (byte[])[0x89, 0x90])
            await stream.SendAsync(new IngestRequest { SiteBytes = new SiteBytes { Codes = { new SiteCode { Site = 1, Code = ByteString.CopyFrom(code, 0x37) } } } });
        await stream.CountAsync(stream.Batch(2, 3, (0x2000, 1)));

        Assert.Equal([(0x1000, null), (0x2000, "8937")], await _database.RowsAsync<(long, string?)>(
            "SELECT address, encode(code, 'hex') FROM reheat_data.sites ORDER BY address"));
    }

    [Fact]
    public async Task Addresses_are_unsigned_and_deltas_wrap()
    {
        using RawStream stream = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w"));
        await stream.CountAsync(stream.Batch(0, 3, (0xffff_ffff_8100_0000, 1), (0x10, 1), (ulong.MaxValue, 1)));

        Assert.Equal([unchecked((long)0xffff_ffff_8100_0000), -1, 0x10], (await _database.ByAddressAsync()).Keys.Order());
        var image = new BuildId(RawStream.BuildId);
        Assert.Equal(SiteId.Of(image, new ImageAddress(0x10)).Value, await _database.ValueAsync<long>("SELECT site FROM reheat_data.sites WHERE address = 16"));
    }
}
