using Dapper;
using Npgsql;
using Reheat.Loop.Tests.Fixtures;
using Xunit;

namespace Reheat.Loop.Tests.Views;

/// <summary>The role that dashboards connect through: the views and nothing else.</summary>
public sealed class ReaderRoleTests : IAsyncLifetime
{
    private TestDatabase _database = null!;
    private NpgsqlConnection _reader = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await TestCluster.Instance.CreateAsync();
        await _database.ExecuteAsync("CREATE TABLE public.secret (x integer); CREATE SCHEMA other; CREATE TABLE other.secret (x integer)");
        _reader = await _database.Source.OpenConnectionAsync();
        await _reader.ExecuteAsync("SET ROLE reheat_reader");
    }

    public async ValueTask DisposeAsync()
    {
        await _reader.DisposeAsync();
        await _database.DisposeAsync();
    }

    [Fact]
    public async Task It_reads_every_view()
    {
        IReadOnlyList<string> views = await _database.RowsAsync<string>("SELECT format('reheat.%I', viewname) FROM pg_views WHERE schemaname = 'reheat' ORDER BY viewname");

        Assert.NotEmpty(views);
        Assert.NotEqual(0, await _reader.ExecuteScalarAsync<long>("SELECT count(*) FROM reheat.storage")); // tables are there from the start
        foreach (string view in views.Except(["reheat.storage"]))
            Assert.Equal(0, await _reader.ExecuteScalarAsync<long>($"SELECT count(*) FROM {view}"));
    }

    [Fact]
    public async Task It_reads_no_table()
    {
        IReadOnlyList<string> tables = await _database.RowsAsync<string>(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('reheat', 'reheat_data', 'public', 'other')");

        Assert.InRange(tables.Count, 15, 999);
        foreach (string table in tables)
            await AssertDeniedAsync($"SELECT * FROM {table}");
    }

    [Theory]
    [InlineData("CREATE TABLE reheat.mine (x integer)")]
    [InlineData("CREATE TABLE public.mine (x integer)")]
    [InlineData("CREATE SCHEMA mine")]
    [InlineData("DELETE FROM reheat_data.builds")]
    [InlineData("INSERT INTO reheat_data.targets (name) VALUES ('x')")]
    [InlineData("SELECT reheat_data.ensure_counts_partition(current_date)")]
    public Task It_writes_nothing(string statement) => AssertDeniedAsync(statement);

    private async Task AssertDeniedAsync(string statement)
    {
        PostgresException denied = await Assert.ThrowsAsync<PostgresException>(() => _reader.ExecuteAsync(statement));
        Assert.True(denied.SqlState == PostgresErrorCodes.InsufficientPrivilege, $"{statement}: {denied.Message}");
    }
}
