using Npgsql;
using Reheat.Core;
using Reheat.Store.Lists;

namespace Reheat.Store.Ingest;

/// <summary>The transaction that counts: marks, sites, counts, drops and the jobs that follow, all or nothing.</summary>
public sealed class IngestStore(NpgsqlDataSource database)
{
    // Where one batch is a duplicate, more are likely to come: agents connect anew after an outage, all of them.
    private const int CarefulGroups = 8;

    private readonly HashSet<(BucketWidth, DateTime)> _prepared = [];
    private readonly GroupFold _fold = new();
    private string? _identity;
    private int _careful; // groups whose marks are looked at before they are moved

    /// <summary>
    /// Commits a group of batches and sets each one's <see cref="IngestBatch.Fate"/>. Batches of one ring must stand in the order in which they came.
    /// May be called again with the same batches after a failure of any kind, a connection lost during COMMIT included: the marks are read
    /// anew, and what was counted is found to be a <see cref="BatchFate.Duplicate"/>. Not thread-safe: one committer a process.
    /// </summary>
    /// <param name="batches">The group.</param>
    /// <param name="changedImages">Images with sites or operations that this process has not counted before: their builds' lists are made anew.</param>
    /// <param name="cancel">Cancels; the fate of the batches is then unknown.</param>
    /// <returns>Tokens whose streams were the first to name sites, and how many they are by now, over all collectors.</returns>
    /// <exception cref="DatabaseReplacedException">It is not the database that it was at the last commit; nothing was done.</exception>
    public async Task<IReadOnlyList<(string Token, long Sites)>> CommitAsync(IReadOnlyList<IngestBatch> batches, IReadOnlyCollection<BuildId> changedImages, CancellationToken cancel)
    {
        try
        {
            await using NpgsqlConnection connection = await database.OpenConnectionAsync(cancel);
            (BucketWidth, DateTime)[] partitions = [.. batches.Select(b => (b.Bucket.Width, b.Bucket.Start.Date)).Distinct().Where(day => !_prepared.Contains(day)).Order()]; // in one order: making them takes locks
            string identity = await CountStore.PrepareAsync(connection, partitions, cancel);
            (string? last, _identity) = (_identity, identity);
            if (last is not null && last != identity)
                throw new DatabaseReplacedException();
            IReadOnlyList<(string, long)> tokens = await CommitAsync(connection, batches, changedImages, cancel);
            _prepared.UnionWith(partitions);
            return tokens;
        }
        catch
        {
            // A partition that was there may be gone (dropped, or not in what was restored): looked for anew.
            _prepared.Clear();
            throw;
        }
    }

    private async Task<IReadOnlyList<(string, long)>> CommitAsync(
        NpgsqlConnection connection, IReadOnlyList<IngestBatch> batches, IReadOnlyCollection<BuildId> changedImages, CancellationToken cancel)
    {
        await using NpgsqlTransaction transaction = await MoveMarksAsync(connection, batches, cancel);
        IReadOnlyList<(string, long)> tokens = [];
        IngestBatch[] counted = [.. batches.Where(b => b.Fate == BatchFate.Counted)];
        if (counted.Length > 0)
        {
            Credit(counted, await SiteStore.AddAsync(connection, [.. counted.SelectMany(b => b.NewKeys.Select(b.Keys.Site)).Distinct()], cancel));
            await CountStore.MergeAsync(connection, _fold.Fold(counted), cancel);
            await DropStore.AddAsync(connection, counted, cancel);
            tokens = await MarkStore.CreditSitesAsync(connection, counted, cancel);
            await JobStore.QueueForImagesAsync(connection, changedImages, cancel);
        }
        await transaction.CommitAsync(cancel);
        return tokens;
    }

    /// <summary>Begins the transaction, decides the fates, and moves the marks.</summary>
    private async Task<NpgsqlTransaction> MoveMarksAsync(NpgsqlConnection connection, IReadOnlyList<IngestBatch> batches, CancellationToken cancel)
    {
        NpgsqlTransaction transaction = await connection.BeginTransactionAsync(cancel);
        try
        {
            if (_careful > 0)
            {
                _careful--;
            }
            else if (await MarkStore.TryMoveAsync(connection, batches, cancel))
            {
                return transaction;
            }
            else
            {
                await transaction.DisposeAsync();
                transaction = await connection.BeginTransactionAsync(cancel);
                _careful = CarefulGroups;
            }
            await MarkStore.DecideAsync(connection, batches, cancel);
            return transaction;
        }
        catch
        {
            await transaction.DisposeAsync();
            throw;
        }
    }

    /// <summary>Who named a site first has added it.</summary>
    private static void Credit(IReadOnlyList<IngestBatch> batches, IReadOnlySet<SiteId> added)
    {
        var left = new HashSet<SiteId>(added);
        foreach (IngestBatch batch in batches)
            batch.AddedSites = batch.NewKeys.Count(key => left.Remove(batch.Keys.Site(key).Site));
    }
}

/// <summary>The database is not the one that it was: what is remembered of it (known sites, numbers of targets) is worth nothing.</summary>
public sealed class DatabaseReplacedException() : Exception("the database was restored, replaced or started anew");
