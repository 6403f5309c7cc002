using System.Runtime.CompilerServices;

namespace Reheat.Agent.Kvm;

/// <summary>Why the guest stopped running, as far as an import cares.</summary>
internal enum ExitKind : byte
{
    /// <summary>Anything else: what follows says whether a device was accessed.</summary>
    Other,

    /// <summary>An access of the page of the local APIC, which the hypervisor may serve without emulating the instruction (VMX).</summary>
    ApicAccess,

    /// <summary>A write to the local APIC that is done already: the instruction is the one before (VMX and SVM with virtualised APIC).</summary>
    ApicWritten,
}

/// <summary><c>kvm_exit</c>.</summary>
internal readonly record struct ExitText(ExitKind Kind, ulong Rip, ulong Information);

/// <summary><c>kvm_page_fault</c>.</summary>
internal readonly record struct FaultText(ulong Rip, ulong Address, ulong ErrorCode, bool HasRip)
{
    /// <summary>Bit 1 of an error code and of an EPT violation's qualification.</summary>
    public bool IsWrite => (ErrorCode & 2) != 0;
}

/// <summary><c>kvm_emulate_insn</c>; the bytes are none if the text shows a disassembly, the bitness is 0 if it does not tell the mode.</summary>
internal readonly record struct InstructionText(ulong Rip, InstructionBytes Bytes, int Bitness, bool Failed);

/// <summary>What a <c>kvm_mmio</c> is.</summary>
internal enum MmioKind : byte
{
    /// <summary>A load that user space will answer.</summary>
    UnsatisfiedRead,

    /// <summary>A load, answered.</summary>
    Read,

    /// <summary>A store.</summary>
    Write,
}

/// <summary><c>kvm_mmio</c>.</summary>
internal readonly record struct MmioText(MmioKind Kind, uint Length, ulong Address);

/// <summary>Reads what the events say, in the kernel's words, in those of libtraceevent's plugin, or as raw fields. False: the text is not understood.</summary>
internal static class KvmText
{
    /// <summary><c>kvm_exit</c>.</summary>
    public static bool TryExit(ReadOnlySpan<byte> text, out ExitText exit) => TrySaidExit(text, out exit) || (RawFields.Are(text) && RawFields.TryExit(text, out exit));

    /// <summary><c>kvm_page_fault</c>.</summary>
    public static bool TryFault(ReadOnlySpan<byte> text, out FaultText fault) => TrySaidFault(text, out fault) || (RawFields.Are(text) && RawFields.TryFault(text, out fault));

    /// <summary><c>kvm_emulate_insn</c>.</summary>
    public static bool TryInstruction(ReadOnlySpan<byte> text, out InstructionText instruction) =>
        TrySaidInstruction(text, out instruction) || (RawFields.Are(text) && RawFields.TryInstruction(text, out instruction));

    /// <summary><c>kvm_mmio</c>.</summary>
    public static bool TryMmio(ReadOnlySpan<byte> text, out MmioText mmio) => TrySaidMmio(text, out mmio) || (RawFields.Are(text) && RawFields.TryMmio(text, out mmio));

    /// <summary><c>kvm_fast_mmio</c>.</summary>
    public static bool TryFastMmio(ReadOnlySpan<byte> text, out ulong address) =>
        TrySaidFastMmio(text, out address) || (RawFields.Are(text) && RawFields.TryFastMmio(text, out address));

    // vcpu %u reason %s%s%s rip 0x%lx info1 0x%016llx info2 …        plugin and older: [vcpu %u ]reason %s rip 0x%lx info %llx %llx
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool TrySaidExit(ReadOnlySpan<byte> text, out ExitText exit)
    {
        exit = default;
        int rip = text.IndexOf(" rip "u8);
        int reason = text.IndexOf("reason "u8);
        if (rip < 0 || reason < 0 || reason + 7 > rip)
            return false;
        ReadOnlySpan<byte> name = text[(reason + 7)..rip];
        text = text[(rip + 5)..];
        if (!Hex.TryRead(ref text, out ulong at))
            return false;
        ExitKind kind = name.StartsWith("APIC_ACCESS"u8) ? ExitKind.ApicAccess
            : name.StartsWith("APIC_WRITE"u8) || name.StartsWith("avic_"u8) ? ExitKind.ApicWritten : ExitKind.Other;
        ulong information = 0;
        if (kind != ExitKind.Other)
        {
            text = Spaces.After(text);
            if (!text.StartsWith("info"u8))
                return false;
            text = text[4..].TrimStart((byte)'1').TrimStart((byte)' ');
            if (!Hex.TryRead(ref text, out information))
                return false;
        }
        exit = new ExitText(kind, at, information);
        return true;
    }

    // vcpu %u rip 0x%lx address 0x%016llx error_code 0x%llx        older: address %lx error_code %x
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool TrySaidFault(ReadOnlySpan<byte> text, out FaultText fault)
    {
        fault = default;
        ulong rip = 0;
        int at = text.IndexOf("rip "u8);
        int address = text.IndexOf("address "u8);
        int code = text.IndexOf("error_code "u8);
        if (address < 0 || code < address || at > address)
            return false;
        if (at >= 0)
        {
            ReadOnlySpan<byte> number = text[(at + 4)..];
            if (!Hex.TryRead(ref number, out rip))
                return false;
        }
        ReadOnlySpan<byte> first = text[(address + 8)..], second = text[(code + 11)..];
        if (!Hex.TryRead(ref first, out ulong accessed) || !Hex.TryRead(ref second, out ulong error))
            return false;
        fault = new FaultText(rip, accessed, error, at >= 0);
        return true;
    }

    // %x:%llx:<hex bytes> (real|vm16|prot16|prot32|prot64)[ failed]        plugin: %llx:%llx: <hex bytes or disassembly>[ FAIL]
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool TrySaidInstruction(ReadOnlySpan<byte> text, out InstructionText instruction)
    {
        instruction = default;
        if (!Hex.TryRead(ref text, out ulong segment) || text.IsEmpty || text[0] != ':')
            return false;
        text = text[1..];
        if (!Hex.TryRead(ref text, out ulong rip) || text.IsEmpty || text[0] != ':')
            return false;
        text = Spaces.Before(text[1..]);
        bool failed = EndsWith(text, " failed"u8) || EndsWith(text, " FAIL"u8);
        instruction = new InstructionText(unchecked(segment + rip), InstructionBytes.Read(text), BitnessOf(text), failed);
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool EndsWith(ReadOnlySpan<byte> text, ReadOnlySpan<byte> word) => text.Length >= word.Length && text[^word.Length..].SequenceEqual(word);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int BitnessOf(ReadOnlySpan<byte> text)
    {
        int mode = text.LastIndexOf((byte)'(');
        if (mode < 0)
            return 0;
        text = text[(mode + 1)..];
        return text.StartsWith("prot64)"u8) ? 64 : text.StartsWith("prot32)"u8) ? 32 : text.StartsWith("real)"u8) || text.StartsWith("vm16)"u8) || text.StartsWith("prot16)"u8) ? 16 : 0;
    }

    // mmio {unsatisfied-read|read|write} len %u gpa 0x%llx val 0x%llx
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool TrySaidMmio(ReadOnlySpan<byte> text, out MmioText mmio)
    {
        mmio = default;
        if (!Skip(ref text, "mmio "u8))
            return false;
        MmioKind kind;
        if (Skip(ref text, "read "u8))
            kind = MmioKind.Read;
        else if (Skip(ref text, "write "u8))
            kind = MmioKind.Write;
        else if (Skip(ref text, "unsatisfied-read "u8))
            kind = MmioKind.UnsatisfiedRead;
        else
            return false;
        if (!Skip(ref text, "len "u8) || !Hex.TryReadDecimal(ref text, out uint length) || !Skip(ref text, " gpa "u8) || !Hex.TryRead(ref text, out ulong address))
            return false;
        mmio = new MmioText(kind, length, address);
        return true;
    }

    // fast mmio at gpa 0x%llx
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool TrySaidFastMmio(ReadOnlySpan<byte> text, out ulong address)
    {
        address = 0;
        return Skip(ref text, "fast mmio at gpa "u8) && Hex.TryRead(ref text, out address);
    }

    // perf script --show-lost-events: PERF_RECORD_LOST lost 23        tracefs: CPU:0 [LOST 12 EVENTS]        trace-cmd: CPU:1 [7 EVENTS DROPPED]
    public static bool TryLost(ReadOnlySpan<byte> line, out ulong events)
    {
        events = 0;
        int at = line.IndexOf("PERF_RECORD_LOST"u8);
        if (at >= 0 && line[at..].IndexOf("lost "u8) is var lost && lost >= 0)
        {
            line = line[(at + lost + 5)..];
            return Hex.TryReadDecimal(ref line, out events);
        }
        line = line.TrimStart((byte)' ');
        if (!line.StartsWith("CPU:"u8))
            return false;
        int bracket = line.IndexOf((byte)'[');
        if (bracket < 0)
            return false;
        line = line[(bracket + 1)..];
        bool told = Skip(ref line, "LOST "u8) || line.IndexOf(" EVENTS DROPPED"u8) > 0;
        if (told)
            return Hex.TryReadDecimal(ref line, out events);
        events = 1; // it does not say how many
        return line.StartsWith("EVENTS DROPPED"u8);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static bool Skip(ref ReadOnlySpan<byte> text, ReadOnlySpan<byte> word)
    {
        if (!text.StartsWith(word))
            return false;
        text = text[word.Length..];
        return true;
    }
}
