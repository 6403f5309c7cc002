using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Reheat.Loop.Tests.Fixtures;
using Reheat.Store.Cluster;
using Reheat.Store.Migrations;
using Xunit;

[assembly: AssemblyFixture(typeof(TestCluster))]

namespace Reheat.Loop.Tests.Fixtures;

/// <summary>The private PostgreSQL of this assembly, and a migrated database that tests copy.</summary>
public sealed class TestCluster : IAsyncLifetime
{
    private const string Template = "migrated";

    private static TestCluster? _instance;
    private static int _databases;

    private readonly string _directory = NewDirectory();

    internal static TestCluster Instance => _instance ?? throw new InvalidOperationException("the assembly fixture has not started");

    internal PrivateCluster Cluster { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Cluster = await PrivateCluster.StartAsync(_directory, NullLogger.Instance, CancellationToken.None);
        await Cluster.MakeDatabaseAsync(Template, CancellationToken.None);
        await using (NpgsqlDataSource source = NpgsqlDataSource.Create(Unpooled(Cluster.ConnectionStringFor(Template))))
            await new Migrator(source, NullLogger<Migrator>.Instance).MigrateAsync(CancellationToken.None);
        _instance = this;
    }

    public async ValueTask DisposeAsync()
    {
        await Cluster.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    /// <summary>A name for a cluster's directory; the cluster makes it.</summary>
    internal static string NewDirectory() => Path.Combine(Path.GetTempPath(), $"reheat-pg-{Guid.NewGuid():N}");

    /// <summary>A fresh database; migrated unless told otherwise.</summary>
    internal async Task<TestDatabase> CreateAsync(bool migrated = true)
    {
        string name = "test" + Interlocked.Increment(ref _databases).ToString(CultureInfo.InvariantCulture);
        await using NpgsqlConnection connection = new(Unpooled(Cluster.ConnectionStringFor("postgres")));
        await connection.OpenAsync();
        await using var create = new NpgsqlCommand($"CREATE DATABASE {name}{(migrated ? $" TEMPLATE {Template}" : "")}", connection);
        await create.ExecuteNonQueryAsync();
        return new TestDatabase(Cluster.ConnectionStringFor(name));
    }

    // A pooled connection would keep the template busy.
    private static string Unpooled(string connectionString) => new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ConnectionString;
}
