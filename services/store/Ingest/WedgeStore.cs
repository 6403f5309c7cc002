using Dapper;
using Npgsql;

namespace Reheat.Store.Ingest;

/// <summary>Who a stream says it is; the hello of the wire, checked.</summary>
/// <param name="Wedge">Stable name, unique in the fleet.</param>
/// <param name="Kind">For example <c>qemu-tcg</c>.</param>
/// <param name="Version">The wedge's version.</param>
/// <param name="Host">Where the agent runs.</param>
/// <param name="Guest">The guest's name.</param>
/// <param name="Agent">Random id of the agent process, kept over reconnects.</param>
/// <param name="Epoch">Random id of the wedge's session.</param>
/// <param name="EpochBegan">When that session began.</param>
/// <param name="Rings">The rings it will send.</param>
/// <param name="Token">The name of its token, or null.</param>
public sealed record WedgeHello(
    string Wedge, string Kind, string Version, string Host, string Guest, long Agent, long Epoch, DateTimeOffset EpochBegan, int[] Rings, string? Token = null);

/// <summary>An answer to a hello.</summary>
/// <param name="Lease">The fencing number of this stream; 0 if <paramref name="HeldUntil"/> says that another agent has the wedge.</param>
/// <param name="Marks">Ring → position at which the next batch begins.</param>
/// <param name="NewSites">Sites that the wedge was the first to name, over all of its epochs that are remembered.</param>
/// <param name="TokenSites">Sites that streams with its token were the first to name.</param>
/// <param name="HeldUntil">Set if refused: when the other agent's lease lapses unless it renews it.</param>
/// <param name="IsForgotten">Set if refused: the epoch is older than marks are kept, and there are none.</param>
public sealed record LeaseGrant(
    long Lease, IReadOnlyDictionary<int, long> Marks, long NewSites = 0, long TokenSites = 0, DateTimeOffset? HeldUntil = null, bool IsForgotten = false);

/// <summary>Table <c>wedges</c>: who is known, and which agent may speak for it.</summary>
public sealed class WedgeStore(NpgsqlDataSource database)
{
    /// <summary>
    /// Takes the wedge's lease for this agent, makes its marks if they are new, and reads them. The new fencing number is written into the
    /// marks, so that a commit of an older stream that comes later finds itself fenced off.
    /// </summary>
    /// <param name="hello">Who it is.</param>
    /// <param name="lease">How long it is held.</param>
    /// <param name="forgottenBefore">Marks of epochs that began before this may have been deleted: without marks, what such an epoch counted may be counted already.</param>
    /// <param name="cancel">Cancels.</param>
    public async Task<LeaseGrant> OpenAsync(WedgeHello hello, TimeSpan lease, DateTimeOffset forgottenBefore, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(cancel);
        var arguments = new
        {
            hello.Wedge,
            hello.Kind,
            hello.Version,
            hello.Host,
            hello.Guest,
            hello.Agent,
            hello.Epoch,
            EpochBegan = hello.EpochBegan.UtcDateTime,
            hello.Rings,
            Lease = lease,
        };
        // The row is made with a lapsed lease, so that one code path takes it.
        await connection.ExecuteAsync(new CommandDefinition(
            """
            INSERT INTO reheat_data.wedges (wedge, kind, version, host, guest, agent, lease, lease_until)
            VALUES (@Wedge, @Kind, @Version, @Host, @Guest, @Agent, 0, '-infinity')
            ON CONFLICT (wedge) DO NOTHING
            """, arguments, transaction, cancellationToken: cancel));
        (bool held, DateTime? until) = await connection.QuerySingleAsync<(bool, DateTime?)>(new CommandDefinition(
            """
            SELECT agent <> @Agent AND lease_until > now(), CASE WHEN isfinite(lease_until) THEN lease_until END
            FROM reheat_data.wedges WHERE wedge = @Wedge FOR UPDATE
            """, arguments, transaction, cancellationToken: cancel));
        if (held)
            return new LeaseGrant(0, new Dictionary<int, long>(), HeldUntil: new DateTimeOffset(until!.Value, TimeSpan.Zero));
        (long marksOfEpoch, long newSites) = await connection.QuerySingleAsync<(long, long)>(new CommandDefinition(
            """
            SELECT count(*) FILTER (WHERE epoch = @Epoch), coalesce(sum(new_sites), 0)::bigint
            FROM (SELECT epoch, new_sites FROM reheat_data.marks WHERE wedge = @Wedge ORDER BY epoch, ring FOR UPDATE) m
            """,
            arguments, transaction, cancellationToken: cancel));
        long tokenSites = hello.Token is null ? 0 : await connection.QuerySingleAsync<long>(new CommandDefinition(
            "SELECT coalesce((SELECT new_sites FROM reheat_data.token_sites WHERE token = @Token), 0)", new { hello.Token }, transaction, cancellationToken: cancel));
        if (hello.EpochBegan < forgottenBefore && marksOfEpoch == 0)
            return new LeaseGrant(0, new Dictionary<int, long>(), IsForgotten: true);

        long number = await connection.QuerySingleAsync<long>(new CommandDefinition(
            """
            UPDATE reheat_data.wedges
            SET kind = @Kind, version = @Version, host = @Host, guest = @Guest, agent = @Agent,
                lease = lease + 1, lease_until = now() + @Lease, last_seen = now()
            WHERE wedge = @Wedge RETURNING lease
            """, arguments, transaction, cancellationToken: cancel));
        IEnumerable<(int Ring, long Position)> marks = await connection.QueryAsync<(int, long)>(new CommandDefinition(
            """
            INSERT INTO reheat_data.marks (wedge, epoch, ring, lease, position, epoch_began)
            SELECT @Wedge, @Epoch, ring, @number, 0, least(@EpochBegan, now()) FROM unnest(@Rings) AS ring ORDER BY ring
            ON CONFLICT (wedge, epoch, ring) DO UPDATE SET lease = excluded.lease
            RETURNING ring, position
            """, new { hello.Wedge, hello.Epoch, arguments.EpochBegan, hello.Rings, number }, transaction, cancellationToken: cancel));
        await transaction.CommitAsync(cancel);
        return new LeaseGrant(number, marks.ToDictionary(m => m.Ring, m => m.Position), newSites, tokenSites);
    }

    /// <summary>Lengthens the leases that are still held; those lost to another agent are left alone (their next commit says so).</summary>
    public async Task RenewAsync(IReadOnlyCollection<(string Wedge, long Lease)> held, TimeSpan lease, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        await connection.ExecuteAsync(new CommandDefinition(
            """
            UPDATE reheat_data.wedges w SET lease_until = now() + @lease, last_seen = now()
            FROM (SELECT wedge FROM reheat_data.wedges JOIN unnest(@wedges, @leases) AS held (wedge, lease) USING (wedge, lease)
                  ORDER BY wedge FOR UPDATE OF wedges) mine
            WHERE w.wedge = mine.wedge
            """,
            new { lease, wedges = held.Select(h => h.Wedge).ToArray(), leases = held.Select(h => h.Lease).ToArray() },
            cancellationToken: cancel));
    }

    /// <summary>Ends a lease at once, so that the next agent need not wait for it to lapse.</summary>
    public async Task ReleaseAsync(string wedge, long lease, CancellationToken cancel)
    {
        await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
        await connection.ExecuteAsync(new CommandDefinition(
            "UPDATE reheat_data.wedges SET lease_until = now() WHERE wedge = @wedge AND lease = @lease",
            new { wedge, lease }, cancellationToken: cancel));
    }
}
