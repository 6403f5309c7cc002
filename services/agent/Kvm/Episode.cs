namespace Reheat.Agent.Kvm;

/// <summary>
/// What one thread of the hypervisor told from one stop of its guest to the next: the events of one instruction stand between them. A recording may
/// hold only some of the events; then the first of those that it holds begins a new one.
/// </summary>
internal sealed class Episode
{
    /// <summary>Why the guest stopped; counts if <see cref="HasExit"/>.</summary>
    public ExitText Exit;

    /// <summary>The fault; counts if <see cref="HasFault"/>.</summary>
    public FaultText Fault;

    /// <summary>The instruction that is emulated; counts if <see cref="HasInstruction"/>.</summary>
    public InstructionText Instruction;

    /// <summary>A load that has not been answered yet; counts if <see cref="HasUnanswered"/>.</summary>
    public MmioText Unanswered;

    /// <summary>Address of a read-modify-write whose first half was counted; counts if <see cref="HasExchanged"/>.</summary>
    public ulong Exchanged;

    // Each line of a trace clears or fills one of these: one store, and the texts stay where they are.
    private Parts _has;

    [Flags]
    private enum Parts : byte
    {
        None = 0,
        Exit = 1,
        Fault = 2,
        Instruction = 4,
        Unanswered = 8,
        Counted = 16,
        Exchanged = 32,
    }

    /// <summary>The guest's stop is recorded.</summary>
    public bool HasExit => (_has & Parts.Exit) != 0;

    /// <summary>There was a fault.</summary>
    public bool HasFault => (_has & Parts.Fault) != 0;

    /// <summary>An instruction is emulated.</summary>
    public bool HasInstruction => (_has & Parts.Instruction) != 0;

    /// <summary>A load is under way.</summary>
    public bool HasUnanswered => (_has & Parts.Unanswered) != 0;

    /// <summary>True once an access was counted: the trap is counted with the first.</summary>
    public bool IsCounted => (_has & Parts.Counted) != 0;

    /// <summary>A read-modify-write was counted.</summary>
    public bool HasExchanged => (_has & Parts.Exchanged) != 0;

    /// <summary>True if a fault cannot belong to what is here.</summary>
    public bool EndsAtFault => (_has & (Parts.Fault | Parts.Instruction | Parts.Counted | Parts.Unanswered)) != 0;

    /// <summary>True if an instruction cannot belong to what is here.</summary>
    public bool EndsAtInstruction => (_has & (Parts.Instruction | Parts.Counted | Parts.Unanswered)) != 0;

    /// <summary>True if there may be an access of which there is no event of its own.</summary>
    public bool MayBeUncounted => HasUnanswered || (!IsCounted && (_has & (Parts.Exit | Parts.Fault | Parts.Instruction)) != 0
        && (_has != Parts.Exit || Exit.Kind != ExitKind.Other));

    /// <summary>True if the text breaks off in an access.</summary>
    public bool IsUnfinished => HasUnanswered || (!IsCounted && HasExit && Exit.Kind != ExitKind.Other);

    /// <summary>Address of the instruction, by the event that knows it best.</summary>
    /// <returns>False if none told it.</returns>
    public bool TryGetRip(out ulong rip)
    {
        if (HasInstruction)
            rip = Instruction.Rip;
        else if (HasFault && Fault.HasRip)
            rip = Fault.Rip;
        else
            rip = Exit.Rip;
        return (_has & (Parts.Instruction | Parts.Exit)) != 0 || (HasFault && Fault.HasRip);
    }

    /// <summary>Begins with the guest's stop.</summary>
    public void Begin(in ExitText exit)
    {
        _has = Parts.Exit;
        Exit = exit;
    }

    /// <summary>Adds a fault.</summary>
    public void Add(in FaultText fault)
    {
        _has |= Parts.Fault;
        Fault = fault;
    }

    /// <summary>Adds the emulated instruction.</summary>
    public void Add(in InstructionText instruction)
    {
        _has |= Parts.Instruction;
        Instruction = instruction;
    }

    /// <summary>A load begins.</summary>
    public void Ask(in MmioText load)
    {
        _has |= Parts.Unanswered;
        Unanswered = load;
    }

    /// <summary>No load is under way any more.</summary>
    public void Answered() => _has &= ~Parts.Unanswered;

    /// <summary>An access was counted.</summary>
    public void Count() => _has |= Parts.Counted;

    /// <summary>A read-modify-write of an address was counted.</summary>
    public void Exchange(ulong address)
    {
        _has |= Parts.Exchanged;
        Exchanged = address;
    }

    /// <summary>Nothing is known.</summary>
    public void Clear() => _has = Parts.None;
}
