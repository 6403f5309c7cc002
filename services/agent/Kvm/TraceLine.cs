using System.Buffers;
using System.Buffers.Text;
using System.IO.Hashing;
using System.Runtime.CompilerServices;

namespace Reheat.Agent.Kvm;

/// <summary>Events that an import looks into.</summary>
internal enum KvmEvent : byte
{
    /// <summary>Any other event.</summary>
    Other,

    /// <summary>The guest stopped running.</summary>
    Exit,

    /// <summary>The guest runs again.</summary>
    Entry,

    /// <summary>An access that the page tables under the guest do not allow.</summary>
    PageFault,

    /// <summary>The hypervisor decoded an instruction to emulate it.</summary>
    EmulateInstruction,

    /// <summary>A device access of an instruction that is emulated.</summary>
    Mmio,

    /// <summary>A device access that an eventfd took, without emulation.</summary>
    FastMmio,

    /// <summary>The recorder says that it lost events.</summary>
    Lost,
}

/// <summary>
/// One line of a trace, split: <c>perf script</c>, <c>trace-cmd report</c> and tracefs write
/// <c>COMMAND[-| ]TID [(TGID)] [[CPU]] [FLAGS] [TIME:] [kvm:]EVENT: TEXT</c>, where COMMAND may hold anything, spaces and colons included.
/// </summary>
internal readonly ref struct TraceLine
{
    private const int MaxName = 64;

    private static readonly SearchValues<byte> NameBytes = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789_ABCDEFGHIJKLMNOPQRSTUVWXYZ"u8);

    private TraceLine(int start, long thread, KvmEvent what, ReadOnlySpan<byte> name, ReadOnlySpan<byte> text)
    {
        Start = start;
        Thread = thread;
        Event = what;
        Name = name;
        Text = text;
    }

    /// <summary>Where the event stands in the line, its system included.</summary>
    public int Start { get; }

    /// <summary>Tells threads apart: the thread's number or, where the line has none, a negative hash of its command.</summary>
    public long Thread { get; }

    /// <summary>The event's name without its system.</summary>
    public ReadOnlySpan<byte> Name { get; }

    /// <summary>What the event says.</summary>
    public ReadOnlySpan<byte> Text { get; }

    /// <summary>Which event it is.</summary>
    public KvmEvent Event { get; }

    /// <summary>Splits a line.</summary>
    /// <returns>False if it names no event.</returns>
    public static bool TrySplit(ReadOnlySpan<byte> line, out TraceLine split) => TryFind(line, 0, afterTime: false, null, out split);

    /// <summary>Splits a line of which is known where the word behind the time begins, and which thread is told before it.</summary>
    /// <returns>False if it names no event.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static bool TrySplit(ReadOnlySpan<byte> line, int word, long thread, out TraceLine split)
    {
        ReadOnlySpan<byte> rest = line[word..];
        if (rest.StartsWith("kvm:"u8))
            rest = rest[4..];
        if (!rest.StartsWith("kvm_"u8))
            return TryFind(line, word, afterTime: true, thread, out split);
        int length = 4;
        while (length < rest.Length && rest[length] is (>= (byte)'a' and <= (byte)'z') or (>= (byte)'0' and <= (byte)'9') or (byte)'_')
            length++;
        if (length >= MaxName || length + 1 >= rest.Length || rest[length] != ':' || rest[length + 1] != ' ')
            return TryFind(line, word, afterTime: true, thread, out split);
        split = new TraceLine(word, thread, EventOf(rest[..length]), rest[..length], Spaces.After(rest[(length + 1)..]));
        return true;
    }

    /// <summary>Finds the event at or behind a place; the thread counts if the event stands right there.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool TryFind(ReadOnlySpan<byte> line, int first, bool afterTime, long? thread, out TraceLine split)
    {
        for (int from = first; ;)
        {
            int colon = line[from..].IndexOf((byte)':');
            if (colon < 0)
                break;
            colon += from;
            from = colon + 1;
            // "kvm:kvm_exit:", "18136.763707:", "kvm_exit:"; within a word only a system ends with a colon.
            if (from < line.Length && line[from] is not ((byte)' ' or (byte)'\t'))
                continue;
            int start = line[..colon].LastIndexOf((byte)' ') + 1;
            ReadOnlySpan<byte> word = line[start..colon];
            if (IsTime(word))
            {
                afterTime = true;
                continue;
            }
            ReadOnlySpan<byte> name = word[(word.LastIndexOf((byte)':') + 1)..];
            if (IsName(name) && (afterTime || name.StartsWith("kvm_"u8)))
            {
                split = new TraceLine(start, start == first && thread is { } known ? known : ThreadOf(line[..start]), EventOf(name), name, line[from..].TrimStart((byte)' '));
                return true;
            }
        }
        split = default;
        return false;
    }

    private static bool IsTime(ReadOnlySpan<byte> word) => word.Length > 2 && word[0] is >= (byte)'0' and <= (byte)'9' && word.Contains((byte)'.');

    private static bool IsName(ReadOnlySpan<byte> name) =>
        name.Length is > 1 and < MaxName && name[0] is >= (byte)'a' and <= (byte)'z' && !name.ContainsAnyExcept(NameBytes);

    /// <summary>By the length and a comparison of one or two words.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static KvmEvent EventOf(ReadOnlySpan<byte> name)
    {
        if (!name.StartsWith("kvm_"u8))
            return KvmEvent.Other;
        ReadOnlySpan<byte> rest = name[4..];
        return rest.Length switch
        {
            4 when rest.SequenceEqual("exit"u8) => KvmEvent.Exit,
            4 when rest.SequenceEqual("mmio"u8) => KvmEvent.Mmio,
            5 when rest.SequenceEqual("entry"u8) => KvmEvent.Entry,
            9 when rest.SequenceEqual("fast_mmio"u8) => KvmEvent.FastMmio,
            10 when rest.SequenceEqual("page_fault"u8) => KvmEvent.PageFault,
            12 when rest.SequenceEqual("emulate_insn"u8) => KvmEvent.EmulateInstruction,
            _ => KvmEvent.Other,
        };
    }

    /// <summary>What stands before the event: command, thread, perhaps more.</summary>
    private static long ThreadOf(ReadOnlySpan<byte> before)
    {
        ReadOnlySpan<byte> head = before.TrimEnd((byte)' ');
        int cpu = head.LastIndexOf(" ["u8);
        if (cpu >= 0 && IsCpu(head[(cpu + 2)..]))
        {
            head = head[..cpu].TrimEnd((byte)' ');
        }
        else if (head.LastIndexOf((byte)':') is var colon and > 0)
        {
            // Without a CPU: perhaps a time, and a period behind it.
            int time = head[..colon].LastIndexOf((byte)' ') + 1;
            if (IsTime(head[time..colon]))
                head = head[..time].TrimEnd((byte)' ');
        }
        if (head.Length > 0 && head[^1] == ')' && head.LastIndexOf((byte)'(') is var tgid && tgid > 0)
            head = head[..tgid].TrimEnd((byte)' ');
        int digits = head.Length;
        while (digits > 0 && head[digits - 1] is >= (byte)'0' and <= (byte)'9')
            digits--;
        bool isNumber = digits < head.Length && (digits == 0 || head[digits - 1] is (byte)'-' or (byte)' ' or (byte)'/');
        if (isNumber && Utf8Parser.TryParse(head[digits..], out uint thread, out _))
            return thread;
        return (long)(XxHash3.HashToUInt64(head) | (1UL << 63));
    }

    /// <summary>True for what is in the brackets round a processor, and the closing one.</summary>
    public static bool IsCpu(ReadOnlySpan<byte> text)
    {
        int digits = 0;
        while (digits < text.Length && text[digits] is >= (byte)'0' and <= (byte)'9')
            digits++;
        return digits > 0 && digits < text.Length && text[digits] == ']';
    }
}
