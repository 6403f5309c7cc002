using System.Reflection;
using System.Security.Cryptography;
using System.Text;
using Dapper;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Reheat.Store.Migrations;

/// <summary>
/// Brings a database to the schema of this version: the scripts of <c>db/migrations</c>, embedded, in order, each in one transaction with
/// its log row. Any number of processes may do this at once: an advisory lock lets one through at a time.
/// </summary>
public sealed class Migrator(NpgsqlDataSource database, ILogger<Migrator> log)
{
    // "REHEAT" in ASCII; advisory locks are per database.
    private const long LockKey = 0x524548454154;

    /// <summary>Applies what is missing.</summary>
    /// <returns>The number of scripts applied now; 0 if the schema was up to date.</returns>
    /// <exception cref="MigrationException">An applied script differs from the embedded one, or the database is of a newer version.</exception>
    public Task<int> MigrateAsync(CancellationToken cancel) => MigrateAsync(Embedded(), cancel);

    internal async Task<int> MigrateAsync(IReadOnlyList<Migration> migrations, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        NoticeEventHandler tell = (_, told) =>
        {
            // "already exists, skipping" and the like stand in class 42; what a script has to say is raised with the class of success.
            if (told.Notice.SqlState == PostgresErrorCodes.SuccessfulCompletion)
                Log.MigrationNotice(log, told.Notice.MessageText);
        };
        connection.Notice += tell;
        await connection.ExecuteAsync(new CommandDefinition("SELECT pg_advisory_lock(@LockKey)", new { LockKey }, cancellationToken: cancel));
        try
        {
            await connection.ExecuteAsync(new CommandDefinition(
                """
                CREATE SCHEMA IF NOT EXISTS reheat_data;
                CREATE TABLE IF NOT EXISTS reheat_data.schema_migrations (
                    version     integer PRIMARY KEY,
                    name        text NOT NULL,
                    sha256      text NOT NULL,
                    applied_at  timestamptz NOT NULL DEFAULT now()
                )
                """, cancellationToken: cancel));
            Dictionary<int, (string Name, string Sha256)> applied = (await connection.QueryAsync<(int Version, string Name, string Sha256)>(
                "SELECT version, name, sha256 FROM reheat_data.schema_migrations ORDER BY version"))
                .ToDictionary(row => row.Version, row => (row.Name, row.Sha256));
            Check(migrations, applied);

            int count = 0;
            foreach (Migration migration in migrations.Where(m => !applied.ContainsKey(m.Version)))
            {
                await ApplyAsync(connection, migration, cancel);
                Log.MigrationApplied(log, migration.Version, migration.Name);
                count++;
            }
            return count;
        }
        finally
        {
            connection.Notice -= tell;
            await connection.ExecuteAsync("SELECT pg_advisory_unlock(@LockKey)", new { LockKey });
        }
    }

    private static void Check(IReadOnlyList<Migration> migrations, Dictionary<int, (string Name, string Sha256)> applied)
    {
        Dictionary<int, Migration> known = migrations.ToDictionary(m => m.Version);
        foreach ((int version, (string name, string sha256)) in applied)
        {
            if (!known.TryGetValue(version, out Migration? migration))
            {
                throw new MigrationException(
                    $"the database has migration {version:0000}_{name}, this program knows up to {migrations.Max(m => m.Version):0000} " +
                    "— use a program at least as new as the database");
            }
            if (migration.Sha256 != sha256)
            {
                throw new MigrationException(
                    $"migration {version:0000}_{name} was applied with SHA-256 {sha256[..12]}…, this program has {migration.Sha256[..12]}… " +
                    "— an applied migration must not be edited; put the change into a new one, or use the program that applied it");
            }
        }
    }

    private static async Task ApplyAsync(NpgsqlConnection connection, Migration migration, CancellationToken cancel)
    {
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(cancel);
        try
        {
            await using (var script = new NpgsqlCommand(migration.Sql, connection, transaction))
                await script.ExecuteNonQueryAsync(cancel);
        }
        catch (PostgresException e)
        {
            throw new MigrationException($"migration {migration.Version:0000}_{migration.Name} failed: {e.MessageText} ({e.SqlState})", e);
        }
        await connection.ExecuteAsync(new CommandDefinition(
            "INSERT INTO reheat_data.schema_migrations (version, name, sha256) VALUES (@Version, @Name, @Sha256)",
            migration, transaction, cancellationToken: cancel));
        await transaction.CommitAsync(cancel);
    }

    private static List<Migration> Embedded()
    {
        Assembly assembly = typeof(Migrator).Assembly;
        var migrations = new List<Migration>();
        foreach (string resource in assembly.GetManifestResourceNames().Where(n => n.EndsWith(".sql", StringComparison.Ordinal)))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(resource)!, Encoding.UTF8);
            migrations.Add(Migration.FromFile(resource, reader.ReadToEnd()));
        }
        return [.. migrations.OrderBy(m => m.Version)];
    }
}

/// <summary>One script of <c>db/migrations</c>.</summary>
/// <param name="Version">The number that its file name begins with.</param>
/// <param name="Name">The rest of its file name.</param>
/// <param name="Sql">Its text.</param>
/// <param name="Sha256">Hex hash of the text.</param>
internal sealed record Migration(int Version, string Name, string Sql, string Sha256)
{
    public static Migration FromFile(string fileName, string sql)
    {
        string[] parts = Path.GetFileNameWithoutExtension(fileName).Split('_', 2);
        return new Migration(int.Parse(parts[0], System.Globalization.CultureInfo.InvariantCulture), parts[1], sql,
            Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(sql))));
    }
}

/// <summary>The database cannot be brought to this version's schema; the message says why and what to do.</summary>
public sealed class MigrationException : Exception
{
    /// <inheritdoc/>
    public MigrationException(string message) : base(message)
    {
    }

    /// <inheritdoc/>
    public MigrationException(string message, Exception inner) : base(message, inner)
    {
    }

    /// <inheritdoc/>
    public MigrationException()
    {
    }
}
