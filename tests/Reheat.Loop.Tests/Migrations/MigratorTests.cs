using Dapper;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Reheat.Loop.Tests.Fixtures;
using Reheat.Store.Cluster;
using Reheat.Store.Migrations;
using Xunit;

namespace Reheat.Loop.Tests.Migrations;

public sealed class MigratorTests : IAsyncLifetime
{
    private static readonly Migration First = Migration.FromFile("0001_first.sql", "CREATE TABLE reheat_data.a (x integer); INSERT INTO reheat_data.a VALUES (1)");
    private static readonly Migration Second = Migration.FromFile("0002_second.sql", "CREATE TABLE reheat_data.b (x integer)");

    private TestDatabase _database = null!;

    private Migrator Migrator => new(_database.Source, NullLogger<Migrator>.Instance);

    public async ValueTask InitializeAsync() => _database = await TestCluster.Instance.CreateAsync(migrated: false);

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    [Fact]
    public async Task A_fresh_database_gets_every_script_of_the_repository_and_a_second_run_none()
    {
        int applied = await Migrator.MigrateAsync(CancellationToken.None);

        Assert.InRange(applied, 2, 9999);
        Assert.Equal(applied, await _database.ValueAsync<int>("SELECT count(*)::integer FROM reheat_data.schema_migrations"));
        Assert.Equal(0, await Migrator.MigrateAsync(CancellationToken.None));
        Assert.Empty(await _database.RowsAsync<string>("SELECT operation FROM reheat.coverage"));
    }

    [Fact]
    public async Task Of_many_migrators_at_once_each_script_is_applied_by_one()
    {
        int[] applied = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(() => Migrator.MigrateAsync(CancellationToken.None))));

        Assert.Equal(await _database.ValueAsync<int>("SELECT count(*)::integer FROM reheat_data.schema_migrations"), applied.Sum());
    }

    [Fact]
    public async Task An_applied_script_that_was_edited_is_refused_by_name_and_hash()
    {
        await Migrator.MigrateAsync([First], CancellationToken.None);
        var edited = Migration.FromFile("0001_first.sql", First.Sql + "-- a word");

        MigrationException refused = await Assert.ThrowsAsync<MigrationException>(() => Migrator.MigrateAsync([edited, Second], CancellationToken.None));

        Assert.Contains("0001_first", refused.Message, StringComparison.Ordinal);
        Assert.Contains(First.Sha256[..12], refused.Message, StringComparison.Ordinal);
        Assert.Contains(edited.Sha256[..12], refused.Message, StringComparison.Ordinal);
        Assert.Null(await _database.ValueAsync<string>("SELECT to_regclass('reheat_data.b')::text"));
    }

    [Fact]
    public async Task A_database_newer_than_the_program_is_refused_by_both_versions()
    {
        await Migrator.MigrateAsync([First, Second], CancellationToken.None);

        MigrationException refused = await Assert.ThrowsAsync<MigrationException>(() => Migrator.MigrateAsync([First], CancellationToken.None));

        Assert.Contains("0002_second", refused.Message, StringComparison.Ordinal);
        Assert.Contains("up to 0001", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_script_that_fails_leaves_nothing_of_itself_and_what_came_before_it_stays()
    {
        var broken = Migration.FromFile("0002_broken.sql", "CREATE TABLE reheat_data.half (x integer); SELECT 1 / 0");

        MigrationException failed = await Assert.ThrowsAsync<MigrationException>(() => Migrator.MigrateAsync([First, broken], CancellationToken.None));

        Assert.Contains("0002_broken", failed.Message, StringComparison.Ordinal);
        Assert.Contains("division by zero", failed.Message, StringComparison.Ordinal);
        Assert.Null(await _database.ValueAsync<string>("SELECT to_regclass('reheat_data.half')::text"));
        Assert.Equal([1], await _database.RowsAsync<int>("SELECT version FROM reheat_data.schema_migrations"));
        // The lock is free again, and the mended script goes in.
        Assert.Equal(1, await Migrator.MigrateAsync([First, Second], CancellationToken.None));
    }

    [Fact]
    public async Task A_user_who_may_make_no_role_gets_the_schema_and_is_told_how_the_role_is_added()
    {
        // Roles belong to a cluster, and the tests' own has the role.
        string directory = TestCluster.NewDirectory();
        await using (PrivateCluster cluster = await PrivateCluster.StartAsync(directory, NullLogger.Instance, CancellationToken.None))
        await using (var administrator = new TestDatabase(cluster.ConnectionString))
        {
            await administrator.ExecuteAsync("CREATE ROLE plain LOGIN");
            await administrator.ExecuteAsync("GRANT CREATE ON DATABASE reheat TO plain");
            await using (NpgsqlDataSource plain = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(cluster.ConnectionString) { Username = "plain", Pooling = false }.ConnectionString))
            {
                var log = new LoopLog();
                await new Migrator(plain, log.For<Migrator>()).MigrateAsync(CancellationToken.None);

                string told = Assert.Single(log.Warnings);
                Assert.Contains("plain may not create roles", told, StringComparison.Ordinal);
                Assert.Contains("SELECT reheat_data.grant_reader()", told, StringComparison.Ordinal);
                await using NpgsqlConnection connection = await plain.OpenConnectionAsync();
                Assert.Equal(0, await connection.ExecuteScalarAsync<long>("SELECT count(*) FROM reheat.coverage"));
            }
            await administrator.ExecuteAsync("CREATE ROLE reheat_reader NOLOGIN; SELECT reheat_data.grant_reader()");
            Assert.Equal(0, await administrator.ValueAsync<long>("SET ROLE reheat_reader; SELECT count(*) FROM reheat.unregistered_images"));
        }
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public async Task A_script_whose_log_row_cannot_be_written_is_rolled_back_too()
    {
        await Migrator.MigrateAsync([First], CancellationToken.None);
        await _database.ExecuteAsync("ALTER TABLE reheat_data.schema_migrations ADD CHECK (version < 2)");

        await Assert.ThrowsAsync<PostgresException>(() => Migrator.MigrateAsync([First, Second], CancellationToken.None));

        Assert.Null(await _database.ValueAsync<string>("SELECT to_regclass('reheat_data.b')::text"));
    }
}
