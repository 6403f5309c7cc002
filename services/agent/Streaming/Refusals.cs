namespace Reheat.Agent.Streaming;

/// <summary>A batch that the collector refuses for what is in it: sending it again as it was helps nothing.</summary>
/// <param name="batch">The batch, or null if it is one of those under way.</param>
/// <param name="message">What the collector said.</param>
internal sealed class BatchRefusedException((uint Ring, ulong From, ulong To)? batch, string message) : Exception(message)
{
    /// <summary>The batch, if it is known.</summary>
    public (uint Ring, ulong From, ulong To)? Batch => batch;
}

/// <summary>
/// What an agent does about refused batches, over the streams that they end. After the first refusal it sends small batches, one at a time and without
/// what is not needed, so that the next refusal tells exactly which records are meant. Records that are refused again and again are given up as a
/// counted drop: the alternative is a ring that fills up behind them and loses everything else.
/// </summary>
internal sealed class Refusals
{
    private const int Tries = 3;
    private const ulong FewRecords = 64;
    private const ulong ManyRecords = 1 << 16;

    // Batches under way when a stream was refused are no more than this, as a rule.
    private const int CarefulBatches = 64;

    private (uint Ring, ulong From, ulong To) _refused;
    private int _times;
    private int _careful;
    private ulong _records = FewRecords;

    /// <summary>True while batches are sent one at a time.</summary>
    public bool Careful => _careful > 0;

    /// <summary>Records of one batch at most, while careful.</summary>
    public ulong MaxRecords => _records;

    /// <summary>Takes note of a refusal.</summary>
    /// <returns>The records that are given up now, or null.</returns>
    /// <exception cref="AgentException">What is refused holds no records: nothing can be given up.</exception>
    public (uint Ring, ulong From, ulong To)? Refused(BatchRefusedException refusal)
    {
        bool careful = Careful;
        _careful = CarefulBatches;
        // What is large though batches are small cannot be cut: it was folded when it went to the spool.
        if (refusal.Batch is not { } batch || (!careful && batch.To - batch.From > _records))
            return null;
        _times = batch == _refused ? _times + 1 : 1;
        _refused = batch;
        if (_times == Tries && batch.To > batch.From)
            return batch;
        return _times < Tries || (batch.To > batch.From && _times < 2 * Tries)
            ? null
            : throw new AgentException(
                $"ring {batch.Ring}: the collector does not even take an account of positions [{batch.From}, {batch.To}) that holds no records: {refusal.Message}");
    }

    /// <summary>The end of the records from a position on that are given up, or null.</summary>
    public ulong? GivenUp(uint ring, ulong from) =>
        _times >= Tries && (_refused.Ring, _refused.From) == (ring, from) && _refused.To > from ? _refused.To : null;

    /// <summary>Takes note that the collector took the batch that was under way while careful.</summary>
    public void Taken(uint ring, ulong position, bool givenUp)
    {
        _careful = Math.Max(_careful - 1, 0);
        // Other rings' batches are taken all the while.
        if (ring != _refused.Ring || position < _refused.To)
            return;
        (_times, _refused) = (0, (ring, position, position));
        // Where all is refused, giving up must get on.
        _records = givenUp ? Math.Min(_records * 2, ManyRecords) : FewRecords;
    }
}
