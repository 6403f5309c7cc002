namespace Reheat.Agent.Kvm;

/// <summary>
/// What one thread of the hypervisor told from one stop of its guest to the next: the events of one instruction stand between them. A recording may
/// hold only some of the events; then the first of those that it holds begins a new one.
/// </summary>
internal sealed class Episode
{
    /// <summary>Why the guest stopped, if that is recorded.</summary>
    public ExitText? Exit { get; private set; }

    /// <summary>The fault, if there was one.</summary>
    public FaultText? Fault { get; private set; }

    /// <summary>The instruction that is emulated, if one is.</summary>
    public InstructionText? Instruction { get; private set; }

    /// <summary>A load that has not been answered yet.</summary>
    public MmioText? Unanswered { get; set; }

    /// <summary>True once an access was counted: the trap is counted with the first.</summary>
    public bool IsCounted { get; set; }

    /// <summary>Address of a read-modify-write whose first half was counted.</summary>
    public ulong? Exchanged { get; set; }

    /// <summary>Address of the instruction, by the event that knows it best; null if none told it.</summary>
    public ulong? Rip => Instruction?.Rip ?? (Fault is { HasRip: true } fault ? fault.Rip : Exit?.Rip);

    /// <summary>Begins with the guest's stop.</summary>
    public void Begin(ExitText exit)
    {
        Clear();
        Exit = exit;
    }

    /// <summary>True if a fault cannot belong to what is here.</summary>
    public bool EndsAtFault => Fault is not null || Instruction is not null || IsCounted || Unanswered is not null;

    /// <summary>True if an instruction cannot belong to what is here.</summary>
    public bool EndsAtInstruction => Instruction is not null || IsCounted || Unanswered is not null;

    /// <summary>Adds a fault.</summary>
    public void Add(FaultText fault) => Fault = fault;

    /// <summary>Adds the emulated instruction.</summary>
    public void Add(InstructionText instruction) => Instruction = instruction;

    /// <summary>Nothing is known.</summary>
    public void Clear()
    {
        Exit = null;
        Fault = null;
        Instruction = null;
        Unanswered = null;
        IsCounted = false;
        Exchanged = null;
    }
}
