using System.Collections.Concurrent;
using Dapper;
using Npgsql;

namespace Reheat.Store.Ingest;

/// <summary>
/// Table <c>targets</c>: names of what instructions touch, as small numbers. Cached for as long as the database is the same one, as names never change
/// theirs. A fleet has some dozens; hostile ones must not use up the numbers, so a database takes <paramref name="limit"/> at most, and
/// <paramref name="limitEach"/> of one wedge or token.
/// </summary>
public sealed class TargetStore(NpgsqlDataSource database, int limit = TargetStore.DefaultLimit, int limitEach = TargetStore.DefaultLimit)
{
    /// <summary>Names that a database takes unless told otherwise; the numbers have 15 bits.</summary>
    public const int DefaultLimit = 4096;

    private volatile ConcurrentDictionary<string, short> _known = new(StringComparer.Ordinal);

    /// <summary>Names at most.</summary>
    public int Limit => limit;

    /// <summary>Names that one wedge or token may be the first to use.</summary>
    public int LimitEach => limitEach;

    /// <summary>The number of a name that is remembered, or null.</summary>
    public short? Find(string name) => _known.TryGetValue(name, out short known) ? known : null;

    /// <summary>The number of a name, made if it is new; none if the database, or the subject, has as many names as it takes (or a few more: those that ask at the same moment do not see each other).</summary>
    /// <param name="name">The name.</param>
    /// <param name="subject">Who uses it: <c>wedge:NAME</c> or <c>token:NAME</c>.</param>
    /// <param name="cancel">Cancels.</param>
    public async Task<TargetNumber> GetOrAddAsync(string name, string subject, CancellationToken cancel)
    {
        // What was asked before a Forget goes into the dictionary that was thrown away.
        ConcurrentDictionary<string, short> cache = _known;
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        // The identity column would burn a number at each conflict; look first.
        short? found = await connection.QuerySingleOrDefaultAsync<short?>(new CommandDefinition(
            "SELECT target FROM reheat_data.targets WHERE name = @name", new { name }, cancellationToken: cancel));
        found ??= await connection.QuerySingleOrDefaultAsync<short?>(new CommandDefinition(
            """
            INSERT INTO reheat_data.targets (name, added_by)
            SELECT @name, @subject FROM (SELECT count(*) AS all, count(*) FILTER (WHERE added_by = @subject) AS own FROM reheat_data.targets) n
            WHERE n.all < @limit AND n.own < @limitEach
            ON CONFLICT (name) DO UPDATE SET name = excluded.name
            RETURNING target
            """, new { name, subject, limit, limitEach }, cancellationToken: cancel));
        if (found is not { } number)
        {
            return new TargetNumber(null, await connection.QuerySingleAsync<bool>(new CommandDefinition(
                "SELECT count(*) >= @limitEach FROM reheat_data.targets WHERE added_by = @subject", new { subject, limitEach }, cancellationToken: cancel)));
        }
        cache[name] = number;
        return new TargetNumber(number);
    }

    /// <summary>Forgets all names: the database is another one.</summary>
    public void Forget() => _known = new ConcurrentDictionary<string, short>(StringComparer.Ordinal);
}

/// <summary>The number of a target's name.</summary>
/// <param name="Number">It, or null: a limit is reached.</param>
/// <param name="IsOwnLimit">Then whether it is that of who asked, and not the database's.</param>
public readonly record struct TargetNumber(short? Number, bool IsOwnLimit = false);
