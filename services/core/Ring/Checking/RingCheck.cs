namespace Reheat.Core.Ring.Checking;

/// <summary>Checks the records of one ring in order, and at the end its counters against them.</summary>
internal sealed partial class RingCheck(RingFile file, Findings findings)
{
    private const int Block = 4096;

    private readonly RingRecord[] _block = new RingRecord[Block];
    private readonly HashSet<(ulong Ip, Outcome Outcome)> _begun = [];
    private readonly HashSet<AccessOfSite> _accesses = [];
    private readonly List<(AccessOfSite Access, ulong Position)> _newAccesses = [];
    private ulong _next;
    private ulong _checked, _missed;
    private ulong _traps, _hits, _corrupt;
    private bool _headerChecked;
    private RingState _state;
    private RingCounters _counters;
    private ulong _head;
    private bool _still;

    public RingFile File => file;

    /// <summary>False if the producer's process number means nothing here.</summary>
    public bool SeesProducer { get; set; }

    /// <summary>True if every record so far was seen.</summary>
    private bool IsWhole => _missed == 0;

    /// <summary>Checks the records that have come.</summary>
    /// <returns>True if no more will come.</returns>
    public bool Look(WedgeInfo? info)
    {
        // Whoever wants the last record loads the producer's end before the head.
        bool gone = SeesProducer && file.ProducerPid != 0 && !Directory.Exists($"/proc/{file.ProducerPid}");
        _state = file.IsClosed ? RingState.Closed : gone ? RingState.Abandoned : RingState.Open; // closed after gone: it may have done both meanwhile
        if (!_headerChecked)
            CheckHeader();
        ulong tail = file.Tail, head = file.Head, tailAfter = file.Tail;
        if (tail > head || head > tailAfter + file.Capacity || head < _head)
            findings.Add(DiagnosticId.RingBadHeader, file.Path, $"tail {tailAfter} and head {head}, which was {_head} before: tail ≤ head ≤ tail + {file.Capacity}, and both only grow");
        else
            CheckRecords(head, info);
        _counters = file.Counters;
        _still = file.Head == head && file.Counters == _counters; // a full ring has a head that stands, and counts on
        _head = head;
        return _state != RingState.Open;
    }

    /// <summary>Checks that the code file has the bytes of what the last records did, and that they do it.</summary>
    public void TakeAccesses(CodeCheck code, Findings into)
    {
        foreach ((AccessOfSite access, ulong position) in _newAccesses)
            code.Check(access, Place(position), into);
        _newAccesses.Clear();
    }

    public RingReport Report() => new(file.Ring, _state, file.Version, file.Capacity, _head, _checked, _counters);

    private string Place(ulong position) => $"{file.Path}, position {position}";

    private void CheckRecords(ulong head, WedgeInfo? info)
    {
        if (head > _next + file.Capacity)
        {
            _missed += head - file.Capacity - _next;
            _next = head - file.Capacity;
        }
        while (_next < head)
        {
            ReadOnlySpan<RingRecord> live = file.Records(_next, head);
            int count = Math.Min(live.Length, Block);
            live[..count].CopyTo(_block);
            // What the producer may have written over meanwhile: a slot below the tail, one turn before a position from the head on.
            ulong tail = file.Tail, now = file.Head;
            for (int i = 0; i < count; i++)
            {
                ulong position = _next + (ulong)i;
                if (_state != RingState.Open || position >= tail || position + file.Capacity > now)
                {
                    _checked++;
                    Check(_block[i], position, info);
                }
                else
                {
                    _missed++;
                }
            }
            _next += (ulong)count;
        }
    }
}
