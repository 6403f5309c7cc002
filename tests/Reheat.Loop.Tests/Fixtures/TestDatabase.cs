using Dapper;
using Npgsql;
using Xunit;

namespace Reheat.Loop.Tests.Fixtures;

/// <summary>A database of one test, with the questions that tests ask.</summary>
internal sealed class TestDatabase(string connectionString) : IAsyncDisposable
{
    public string ConnectionString { get; } = new NpgsqlConnectionStringBuilder(connectionString) { MaxPoolSize = 15 }.ConnectionString;

    public NpgsqlDataSource Source => field ??= NpgsqlDataSource.Create(ConnectionString);

    public async Task<T?> ValueAsync<T>(string sql, object? arguments = null)
    {
        await using NpgsqlConnection connection = await Source.OpenConnectionAsync();
        return await connection.ExecuteScalarAsync<T>(sql, arguments);
    }

    public async Task<IReadOnlyList<T>> RowsAsync<T>(string sql, object? arguments = null)
    {
        await using NpgsqlConnection connection = await Source.OpenConnectionAsync();
        return [.. await connection.QueryAsync<T>(sql, arguments)];
    }

    public async Task<int> ExecuteAsync(string sql, object? arguments = null)
    {
        await using NpgsqlConnection connection = await Source.OpenConnectionAsync();
        return await connection.ExecuteAsync(sql, arguments);
    }

    /// <summary>The three places that count traps agree, and say this.</summary>
    public async Task AssertTrapsAsync(long expected)
    {
        (long, long, long) stored = (await RowsAsync<(long, long, long)>(
            """
            SELECT (SELECT coalesce(sum(executions), 0)::bigint FROM reheat_data.counts WHERE outcome = 1),
                   (SELECT coalesce(sum(executions), 0)::bigint FROM reheat_data.site_totals WHERE outcome = 1),
                   (SELECT coalesce(sum(stored_traps), 0)::bigint FROM reheat_data.marks)
            """))[0];
        Assert.Equal((expected, expected, expected), stored);
    }

    /// <summary>Executions by image address, over all that is counted.</summary>
    public async Task<Dictionary<long, long>> ByAddressAsync() =>
        (await RowsAsync<(long Address, long Executions)>(
            "SELECT s.address, sum(t.executions)::bigint FROM reheat_data.site_totals t JOIN reheat_data.sites s USING (site) GROUP BY s.address"))
        .ToDictionary(r => r.Address, r => r.Executions);

    public async ValueTask DisposeAsync() => await Source.DisposeAsync();
}
