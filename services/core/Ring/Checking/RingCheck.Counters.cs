namespace Reheat.Core.Ring.Checking;

internal sealed partial class RingCheck
{
    /// <summary>Checks what only the end can tell.</summary>
    public void Finish()
    {
        if (_state == RingState.Abandoned)
        {
            findings.Add(DiagnosticId.RingNotClosed, file.Path,
                $"process {file.ProducerPid} is gone and has not closed it: it was killed, or ends without rh_close; a reader in another PID namespace would wait for it");
        }
        // A producer that was killed, or is about it, in the middle of a push has counted one execution that no record shows.
        ulong slack = ((_state == RingState.Closed ? 0UL : 1) + _corrupt) * _mostOfRecord; // what a corrupted record was, nobody knows
        RingCounters c = _counters;
        Order("dropped_traps", c.DroppedTraps, "traps", c.Traps);
        Order("dropped_hits", c.DroppedHits, "hits", c.Hits);
        // Hits may be given up that never were a record (rh_drop_hits).
        Order("dropped_traps", c.DroppedTraps, "dropped_records", c.DroppedRecords);
        if (!_still && _state == RingState.Open)
            return; // in use just now: counters and records are of different moments
        Balance("traps", c.Traps, c.DroppedTraps, _traps, "neither RH_HIT nor RH_CONTINUED", slack);
        Balance("hits", c.Hits, c.DroppedHits, _hits, "RH_HIT and not RH_CONTINUED", slack);
    }

    private void Order(string part, ulong less, string whole, ulong more)
    {
        if (less > more)
            findings.Add(DiagnosticId.RingBadCounters, file.Path, $"{part} is {less}, more than {whole}, {more}");
    }

    private void Balance(string name, ulong counted, ulong dropped, ulong seen, string flags, ulong slack)
    {
        if (dropped > counted)
            return; // told already
        bool holds = IsWhole ? counted - dropped - seen <= slack : counted - dropped >= seen;
        if (!holds)
        {
            findings.Add(DiagnosticId.RingBadCounters, file.Path,
                $"{name} is {counted}, {dropped} of them dropped: {(IsWhole ? "" : "at least ")}{seen} records have {flags}, {name} must be their sum");
        }
    }

    // Bytes between the named fields of struct rh_ring_header, which a later version may give a meaning: start, end.
    private static readonly (int Start, int End)[] Unnamed = [(52, 64), (116, 128), (140, 192), (208, RingFormat.HeaderBytes)];

    private void CheckHeader()
    {
        _headerChecked = true;
        foreach ((int start, int end) in Unnamed)
        {
            int offset = file.FirstNonZero(start, end);
            if (offset >= 0)
                findings.Add(DiagnosticId.RingNotZero, file.Path, $"header byte {offset} is not 0, and has no meaning in version {file.Version}");
        }
        if (file.CreatedUnixNs <= 0)
            findings.Add(DiagnosticId.RingBadHeader, file.Path, $"created_unix_ns is {file.CreatedUnixNs}: expected nanoseconds since 1970");
    }
}
