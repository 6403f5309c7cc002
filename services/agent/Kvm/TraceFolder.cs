using System.Runtime.CompilerServices;

namespace Reheat.Agent.Kvm;

/// <summary>Joins the events of a trace by thread, finds the accesses in them, and counts these by instruction, operation and target.</summary>
/// <remarks>
/// What every line runs through is compiled for speed at once (here and in the readers of lines): the runtime would do so after it had counted calls for some
/// tenths of a second in which nothing new is compiled, which one processor that reads as fast as it can leaves it no time for.
/// </remarks>
internal sealed partial class TraceFolder(GuestCode code, GuestTargets targets)
{
    // Beyond it a text names threads that no machine has.
    private const int MaxThreads = 1 << 16;

    // A hostile text may say anything; sums of it are still numbers.
    private const ulong MaxLost = 1UL << 62;

    private readonly Dictionary<long, Episode> _threads = [];
    private readonly LineHeads _heads = new();
    private long _lastThread = long.MinValue;
    private Episode _lastEpisode = new();

    /// <summary>Called for each access with the address of its instruction and the bytes, if they are told.</summary>
    public Action<ulong, InstructionBytes>? Accessed { get; init; }

    /// <summary>Lines of events that were looked into.</summary>
    public long Understood { get; private set; }

    /// <summary>Lines of events that have nothing to do with accesses, and what recorders write around events.</summary>
    public LineCounts Other { get; } = new();

    /// <summary>Lines that are not understood.</summary>
    public LineCounts NotUnderstood { get; } = new();

    /// <summary>Events that the recorder lost, as it says.</summary>
    public ulong Lost { get; private set; }

    /// <summary>Faults of memory that is no device's, and emulated instructions that accessed none.</summary>
    public long NoAccess { get; private set; }

    /// <summary>Executions that had to be trapped.</summary>
    public ulong Traps { get; private set; }

    /// <summary>Of these, by code outside the images.</summary>
    public ulong Outside { get; private set; }

    /// <summary>Threads of hypervisors that were seen.</summary>
    public int Threads => _threads.Count;

    /// <summary>Lines so far.</summary>
    public long Lines { get; private set; }

    /// <summary>Takes the next line, without its end.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Take(ReadOnlySpan<byte> line)
    {
        Lines++;
        if (!_heads.TrySplit(line, out TraceLine split))
        {
            TakeRemark(line);
            return;
        }
        bool understood = split.Event switch
        {
            KvmEvent.Exit => TakeExit(split),
            KvmEvent.Entry => TakeEntry(split),
            KvmEvent.PageFault => TakeFault(split),
            KvmEvent.EmulateInstruction => TakeInstruction(split),
            KvmEvent.Mmio => TakeMmio(split),
            KvmEvent.FastMmio => TakeFastMmio(split),
            _ => true,
        };
        if (!understood)
            NotUnderstood.Add(OfAnotherForm(split.Event), line, Lines);
        else if (split.Event == KvmEvent.Other)
            Other.Add(split.Name, line, Lines);
        else
            Understood++;
    }

    private static string OfAnotherForm(KvmEvent of) => of switch
    {
        KvmEvent.Exit => "kvm_exit of another form",
        KvmEvent.PageFault => "kvm_page_fault of another form",
        KvmEvent.EmulateInstruction => "kvm_emulate_insn of another form",
        KvmEvent.Mmio => "kvm_mmio of another form",
        _ => "kvm_fast_mmio of another form",
    };

    /// <summary>Takes note of a line that is too long to be one.</summary>
    public void TakeOverlong(ReadOnlySpan<byte> start)
    {
        Lines++;
        NotUnderstood.Add("too long for a line", start, Lines);
    }

    /// <summary>Accesses that have begun and of which the text does not tell the end.</summary>
    public int Unfinished => _threads.Values.Count(e => e.IsUnfinished);

    private void TakeRemark(ReadOnlySpan<byte> line)
    {
        ReadOnlySpan<byte> text = line.Trim(" \t"u8);
        if (KvmText.TryLost(text, out ulong lost))
        {
            // What is lost may be the half of any thread's story.
            Lost = lost > MaxLost - Lost ? MaxLost : Lost + lost;
            foreach (Episode episode in _threads.Values)
                episode.Clear();
            Other.Add("lost events", line, Lines);
        }
        else if (text.IsEmpty)
            Other.Add("empty", line, Lines);
        else if (text[0] == '#')
            Other.Add("comment", line, Lines);
        else if (text.StartsWith("cpus="u8) || text.StartsWith("version = "u8) || text.StartsWith("CPU "u8) && text.EndsWith(" is empty"u8))
            Other.Add("header of trace-cmd", line, Lines);
        else if (line[0] is (byte)' ' or (byte)'\t' && IsFrame(text))
            Other.Add("frame of a call graph", line, Lines);
        else
            NotUnderstood.Add("no event", line, Lines);
    }

    // "	ffffffffa0a5d2f1 vmx_vcpu_run+0x2f1 ([kernel.kallsyms])", " => vmx_vcpu_run"
    private static bool IsFrame(ReadOnlySpan<byte> text) =>
        text.StartsWith("=> "u8) || (Hex.TryRead(ref text, out _) && (text.IsEmpty || text[0] == ' '));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private Episode EpisodeOf(long thread)
    {
        if (thread == _lastThread)
            return _lastEpisode;
        if (!_threads.TryGetValue(thread, out Episode? episode))
        {
            if (_threads.Count == MaxThreads)
                _threads.Clear();
            _threads.Add(thread, episode = new Episode());
        }
        (_lastThread, _lastEpisode) = (thread, episode);
        return episode;
    }
}
