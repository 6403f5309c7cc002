using Reheat.Loop.Tests.Fixtures;
using Reheat.V1;
using Xunit;

namespace Reheat.Loop.Tests.Views;

public sealed class ViewTests : IAsyncLifetime
{
    private TestDatabase _database = null!;
    private LoopServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await TestCluster.Instance.CreateAsync();
        _server = await LoopServer.StartAsync(_database.ConnectionString);
        // A build that holds the image of the raw stream and one that nobody observes.
        await _database.ExecuteAsync(
            """
            INSERT INTO reheat_data.builds (series, label, images_sha256) VALUES ('s', '', '\x00');
            INSERT INTO reheat_data.images (build_id, name, machine, file_size) VALUES (@id, 'vmlinux', 62, 1), ('\xaaaa', 'quiet.ko', 62, 1);
            INSERT INTO reheat_data.build_images SELECT 1, build_id, row_number() OVER () FROM reheat_data.images;
            """, new { id = RawStream.BuildId });
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _database.DisposeAsync();
    }

    [Fact]
    public async Task Coverage_is_hits_by_hits_and_traps_and_NULL_where_nothing_was_observed()
    {
        await CountAsync(traps: 1, hits: 3);
        await _database.ExecuteAsync("INSERT INTO reheat_data.annotated_sites SELECT site, 'lapic', build_id, address, address + 5, 2 FROM reheat_data.sites");

        IReadOnlyList<(string Image, string? Operation, string? Target, long Traps, long Hits, double? Coverage)> rows =
            await _database.RowsAsync<(string, string?, string?, long, long, double?)>(
                "SELECT image, operation, target, traps, hits, coverage FROM reheat.coverage ORDER BY image");

        Assert.Equal([("quiet.ko", null, null, 0, 0, null), ("vmlinux", "write", "lapic", 1, 3, 0.75)], rows);
    }

    [Fact]
    public async Task Residual_sites_are_those_that_trapped_and_pending_before_the_recompiler_came()
    {
        await CountAsync(traps: 2, hits: 0, address: 0x1000);
        await CountAsync(traps: 0, hits: 9, address: 0x2000, wedge: "other");
        await _database.ExecuteAsync("INSERT INTO reheat_data.annotated_sites SELECT site, 'lapic', build_id, address, address + 5, 2 FROM reheat_data.sites WHERE address = 8192");

        Assert.Equal([(0x1000, 2, "pending", 1)], await _database.RowsAsync<(long, long, string, int)>("SELECT address, traps, state, wedges FROM reheat.residual_sites"));
        Assert.Equal([0x1000, 0x2000], await _database.RowsAsync<long>("SELECT address FROM reheat.sites ORDER BY address"));
    }

    [Fact]
    public async Task Trap_rate_is_per_second_of_a_minute_and_NULL_for_an_outcome_that_was_not_seen()
    {
        await CountAsync(traps: 120, hits: 0);

        Assert.Equal([(2.0, null)], await _database.RowsAsync<(double, double?)>(
            "SELECT sum(traps_per_second)::float8, sum(hits_per_second)::float8 FROM reheat.trap_rate WHERE build = 1"));
    }

    [Fact]
    public async Task Accounting_balances_what_the_wedge_counted_and_drops_say_why()
    {
        using (RawStream stream = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w")))
        {
            Batch batch = stream.Batch(0, 20, (0x1000, 10));
            batch.Drops.Add(new Drop { Reason = DropReason.CorruptRecord, Traps = 3, Records = 4 });
            batch.Drops.Add(new Drop { Reason = DropReason.OutsideImages, Traps = 2, Records = 2 });
            batch.Counters = new RingCounters { Traps = 30, DroppedTraps = 5, DroppedRecords = 6, OutsideTraps = 100, Spurious = 1 };
            await stream.CountAsync(batch);
        }

        Assert.Equal([(30, 10, 8, 102, 10, 2)], await _database.RowsAsync<(long, long, long, long, long, long)>(
            "SELECT recorded, stored, dropped, outside_images, pending, outside_recorded FROM reheat.accounting"));
        Assert.True(await _database.ValueAsync<bool>("SELECT bool_and(recorded = stored + dropped + outside_recorded + pending) FROM reheat.accounting"));
        Assert.Equal(16, (await _database.ValueAsync<string>("SELECT epoch_hex FROM reheat.accounting"))!.Length);
        Assert.Equal([("corrupt-record", 3, 4), ("outside-images", 2, 2), ("ring-full", 5, 6)],
            await _database.RowsAsync<(string, long, long)>("SELECT reason, traps, records FROM reheat.drops ORDER BY reason"));
        AccountingRow row = Assert.Single((await _server.Coverage.GetAccountingAsync(new AccountingRequest { Wedge = "w" })).Rows);
        Assert.Equal((30UL, 10UL, 8UL, 102UL, 10L, 2UL), (row.Recorded, row.Stored, row.Dropped, row.OutsideImages, row.Pending, row.OutsideRecorded));

        await CountAsync(traps: 4, hits: 0, wedge: "other");
        AccountingResponse all = await _server.Coverage.GetAccountingAsync(new AccountingRequest { Summary = true });
        Assert.Empty(all.Rows);
        Assert.Equal(
            new AccountingSummary
            {
                Wedges = 2,
                Epochs = 2,
                Recorded = 30,
                Stored = 14,
                Dropped = 8,
                OutsideImages = 102,
                Pending = 6,
                OutsideRecorded = 2,
                Drops = { new DropSum { Reason = "ring-full", Traps = 5, Records = 6 }, new DropSum { Reason = "corrupt-record", Traps = 3, Records = 4 } },
            },
            all.Summary);
    }

    [Fact]
    public async Task Addresses_stand_beside_their_hexadecimal_and_rates_have_no_digits_that_say_nothing()
    {
        await CountAsync(traps: 1, hits: 0, address: 0xffffffff81000000);

        Assert.Equal([("0xffffffff81000000", "0xffffffff81000000")], await _database.RowsAsync<(string, string)>(
            "SELECT s.address_hex, r.address_hex FROM reheat.sites s JOIN reheat.residual_sites r USING (address)"));
        Assert.Equal("0.0167", await _database.ValueAsync<string>("SELECT traps_per_second::text FROM reheat.trap_rate"));
    }

    [Fact]
    public async Task Every_view_of_the_schema_and_every_column_has_a_comment()
    {
        Assert.Empty(await _database.RowsAsync<string>(
            """
            SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
            WHERE c.relnamespace = 'reheat'::regnamespace AND c.relkind = 'v' AND col_description(c.oid, a.attnum) IS NULL
            """));
        Assert.Empty(await _database.RowsAsync<string>(
            "SELECT relname FROM pg_class WHERE relnamespace = 'reheat'::regnamespace AND relkind IN ('v', 'm') AND obj_description(oid, 'pg_class') IS NULL"));
        Assert.InRange(await _database.ValueAsync<int>("SELECT count(*)::integer FROM pg_class WHERE relnamespace = 'reheat'::regnamespace AND relkind = 'v'"), 7, 999);
    }

    private async Task CountAsync(ulong traps, ulong hits, ulong address = 0x1000, string wedge = "w")
    {
        using RawStream stream = await RawStream.OpenAsync(_server.Address, RawStream.Hello(wedge));
        SiteKind hit = RawStream.Kind();
        hit.Outcome = Outcome.Hit;
        await stream.CountAsync(new Batch
        {
            To = Math.Max(traps, 1), // hits stand in a range too
            NewSites = new SiteColumns { NewKinds = { RawStream.Kind(), hit }, AddressDelta = { (long)address, 0 }, Kind = { 0, 1 } },
            Site = { 0, 1 },
            Traps = { traps, hits },
        });
    }
}
