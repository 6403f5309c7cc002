using Dapper;
using Npgsql;
using Reheat.Loop.Tests.Fixtures;
using Reheat.Store.Storage;
using Xunit;

namespace Reheat.Loop.Tests.Storage;

/// <summary>Minutes become hours, hours days, and days go; totals stay. On a real database, with the time given.</summary>
public sealed class HousekeepingTests : IAsyncLifetime
{
    private static readonly DateTimeOffset Now = new(2026, 6, 15, 12, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Minutes = TimeSpan.FromDays(2), Hours = TimeSpan.FromDays(30), Days = TimeSpan.FromDays(400);

    private TestDatabase _database = null!;

    public async ValueTask InitializeAsync() => _database = await TestCluster.Instance.CreateAsync();

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    [Fact]
    public async Task Minutes_become_hours_and_hours_days_and_no_count_changes()
    {
        // One site each hour's first two minutes, for 40 days.
        await CountAsync("2026-05-06", "2026-06-15 11:59", "1 minute", "extract(minute FROM t) < 2");
        long before = await SumAsync();

        HousekeepingResult done = (await KeepAsync())!;

        Assert.Equal(before, await SumAsync());
        Assert.Equal(0, await _database.ValueAsync<long>("SELECT count(*) FROM reheat_data.counts WHERE bucket < '2026-06-13 00:00+00'"));
        Assert.Equal(2 * 60, await _database.ValueAsync<long>("SELECT count(*) FROM reheat_data.counts")); // two days and a half, two minutes each hour
        Assert.Equal("2026-05-16 00:00:00", await _database.ValueAsync<string>("SELECT (min(bucket) AT TIME ZONE 'UTC')::text FROM reheat_data.counts_hour"));
        Assert.Equal(28 * 24, await _database.ValueAsync<long>("SELECT count(*) FROM reheat_data.counts_hour"));
        Assert.Equal(10, await _database.ValueAsync<long>("SELECT count(*) FROM reheat_data.counts_day"));
        Assert.Equal(48, await _database.ValueAsync<long>("SELECT DISTINCT executions FROM reheat_data.counts_day"));
        Assert.Contains(("counts_20260506", 48L), done.RolledUp);
        HousekeepingResult again = (await KeepAsync())!;
        Assert.Empty(again.RolledUp);
        Assert.Empty(again.Dropped);
    }

    [Fact]
    public async Task What_is_older_than_all_that_is_kept_goes_and_gives_its_space_back()
    {
        await CountAsync("2025-01-01", "2025-03-01", "1 minute", "true");
        long full = await _database.ValueAsync<long>("SELECT sum(bytes)::bigint FROM reheat.storage WHERE relation LIKE 'counts%'");

        HousekeepingResult done = (await KeepAsync())!;

        Assert.Equal(["counts_day_202501", "counts_day_202502", "counts_day_202503"], done.Dropped); // the last with nothing in it
        Assert.Equal(0, await SumAsync());
        long left = await _database.ValueAsync<long>("SELECT sum(bytes)::bigint FROM reheat.storage WHERE relation LIKE 'counts%'");
        Assert.InRange(left, 0, full / 10);
    }

    [Fact]
    public async Task Partitions_of_the_next_days_are_there_before_they_are_needed()
    {
        await KeepAsync();

        Assert.Equal(
            ["counts_20260615", "counts_20260616", "counts_20260617", "counts_day_202606", "counts_hour_20260615", "counts_hour_20260616", "counts_hour_20260617"],
            await _database.RowsAsync<string>("SELECT relname::text FROM pg_class WHERE relispartition AND relkind = 'r' ORDER BY relname"));
    }

    [Fact]
    public async Task A_roll_up_that_was_interrupted_is_finished_by_the_next_round()
    {
        await CountAsync("2026-06-01", "2026-06-01 23:59", "1 minute", "true");
        await _database.ExecuteAsync("ALTER TABLE reheat_data.counts DETACH PARTITION reheat_data.counts_20260601; ALTER TABLE reheat_data.counts_20260601 RENAME TO counts_20260601_rolling");

        await KeepAsync();

        Assert.Equal(1_439, await SumAsync()); // generate_series up to 23:58, once each
        Assert.Equal(24, await _database.ValueAsync<long>("SELECT count(*) FROM reheat_data.counts_hour"));
    }

    [Fact]
    public async Task A_day_that_was_rolled_up_takes_late_counts_and_is_rolled_up_again()
    {
        await CountAsync("2026-06-01", "2026-06-01 01:00", "1 minute", "true");
        await KeepAsync();
        await CountAsync("2026-06-01", "2026-06-01 01:00", "1 minute", "true");

        await KeepAsync();

        Assert.Equal([120], await _database.RowsAsync<long>("SELECT executions FROM reheat_data.counts_hour"));
    }

    [Fact]
    public async Task Two_housekeepers_do_not_meet_and_a_long_reader_is_not_waited_for()
    {
        await CountAsync("2026-06-01", "2026-06-01 01:00", "1 minute", "true");
        await using NpgsqlConnection other = await _database.Source.OpenConnectionAsync();
        await other.ExecuteAsync("SELECT pg_advisory_lock(hashtext('reheat housekeeping'))");
        Assert.Null(await KeepAsync());
        await other.ExecuteAsync("SELECT pg_advisory_unlock_all()");

        await using (NpgsqlTransaction reading = await other.BeginTransactionAsync())
        {
            await other.ExecuteScalarAsync("SELECT count(*) FROM reheat_data.counts");
            PostgresException waited = await Assert.ThrowsAsync<PostgresException>(KeepAsync);
            Assert.Equal(PostgresErrorCodes.LockNotAvailable, waited.SqlState);
        }
        Assert.Single((await KeepAsync())!.RolledUp);
    }

    [Fact]
    public async Task Marks_of_epochs_that_nobody_heard_of_for_as_long_as_is_kept_go_and_others_stay()
    {
        await _database.ExecuteAsync(
            """
            INSERT INTO reheat_data.wedges (wedge, kind, version, host, guest, agent, lease, lease_until, last_seen)
            SELECT w, 'k', '1', 'h', 'g', 1, 1, '2026-01-01', '2026-01-01' FROM unnest(ARRAY['old', 'long']) w;
            INSERT INTO reheat_data.marks (wedge, epoch, ring, lease, position, epoch_began, updated_at)
            VALUES ('old', 1, 0, 1, 5, '2026-01-01', '2026-01-02'), ('long', 2, 0, 1, 5, '2026-01-01', '2026-06-14');
            INSERT INTO reheat_data.drops (wedge, epoch, ring, reason, traps, records) VALUES ('old', 1, 0, 2, 1, 1), ('long', 2, 0, 2, 1, 1);
            INSERT INTO reheat_data.jobs (kind, build, state, finished_at) VALUES ('annotate', 1, 'done', '2026-06-01'), ('annotate', 1, 'done', '2026-06-14');
            """);

        Assert.Equal((1, 1, 1), await new RemainderStore(_database.Source).DeleteAsync(Now, Hours, CancellationToken.None));

        Assert.Equal(["long"], await _database.RowsAsync<string>("SELECT wedge FROM reheat_data.marks"));
        Assert.Equal(["long"], await _database.RowsAsync<string>("SELECT wedge FROM reheat_data.drops"));
        Assert.Equal(["long"], await _database.RowsAsync<string>("SELECT wedge FROM reheat_data.wedges"));
        Assert.Equal(1, await _database.ValueAsync<long>("SELECT count(*) FROM reheat_data.jobs"));
    }

    private Task<HousekeepingResult?> KeepAsync() => new PartitionStore(_database.Source).KeepAsync(Now, Minutes, Hours, Days, CancellationToken.None);

    private async Task CountAsync(string from, string to, string step, string when)
    {
        await _database.ExecuteAsync(
            $"""
            SELECT reheat_data.ensure_partition('counts', d::date) FROM generate_series('{from}'::date, '{to}'::date, '1 day') d;
            INSERT INTO reheat_data.counts (site, operation, size, target, outcome, bucket, executions, elements)
            SELECT 1, 1, 4, 1, 1, t, 1, 1 FROM generate_series('{from} 00:00+00'::timestamptz, '{to}+00'::timestamptz - interval '1 minute', '{step}') t WHERE {when}
            """.Replace("-01+00'", "-01 00:00+00'", StringComparison.Ordinal));
    }

    private Task<long> SumAsync() => _database.ValueAsync<long>(
        "SELECT coalesce(sum(n), 0)::bigint FROM (SELECT sum(executions) n FROM reheat_data.counts UNION ALL SELECT sum(executions) FROM reheat_data.counts_hour UNION ALL SELECT sum(executions) FROM reheat_data.counts_day) s");
}
