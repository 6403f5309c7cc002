namespace Reheat.Agent.Kvm;

/// <summary>
/// Events as <c>trace-cmd report -R</c> shows them: the fields of the record by their names in the kernel, <c> NAME=VALUE</c> each, bytes as
/// <c>ARRAY[0f, 0b, …]</c>. libtraceevent 1.7 shows a number as the event's own format would. Earlier ones show most of them in decimal, and nothing
/// tells such a number from a hexadecimal one: where an address has no <c>0x</c> that it should have, the event is not understood.
/// </summary>
internal static class RawFields
{
    // kvm_exit's isa, and the reasons that matter (Intel SDM volume 3, appendix C; AMD APM volume 2, appendix C).
    private const ulong Vmx = 1, Svm = 2;
    private const ulong ReasonMask = 0xffff;
    private const ulong VmxApicAccess = 44, VmxApicWrite = 56;
    private const ulong AvicIncompleteIpi = 0x401, AvicUnacceleratedAccess = 0x402;

    // kvm_emulate_insn's flags.
    private const ulong ProtectedMode = 1, Virtual8086 = 2, Code32 = 4, Code64 = 8;

    /// <summary>True for the text of an event that is shown so.</summary>
    public static bool Are(ReadOnlySpan<byte> text)
    {
        int end = text.IndexOfAny((byte)'=', (byte)' ');
        return end > 0 && text[end] == '=';
    }

    // exit_reason=44 guest_rip=0x… isa=1 info1=0x… info2=0x… intr_info=0x… error_code=0x… vcpu_id=0
    public static bool TryExit(ReadOnlySpan<byte> text, out ExitText exit)
    {
        exit = default;
        if (!TryNumber(text, "exit_reason="u8, out ulong reason) || !TryHex(text, "guest_rip=0x"u8, out ulong rip) || !TryNumber(text, "isa="u8, out ulong isa))
            return false;
        ExitKind kind = (isa, reason & ReasonMask) switch
        {
            (Vmx, VmxApicAccess) => ExitKind.ApicAccess,
            (Vmx, VmxApicWrite) or (Svm, AvicIncompleteIpi or AvicUnacceleratedAccess) => ExitKind.ApicWritten,
            _ => ExitKind.Other,
        };
        ulong information = 0;
        if (kind != ExitKind.Other && !TryHex(text, "info1=0x"u8, out information))
            return false;
        exit = new ExitText(kind, rip, information);
        return true;
    }

    // vcpu_id=0 guest_rip=0x… fault_address=0x… error_code=0x…        older kernels have no guest_rip
    public static bool TryFault(ReadOnlySpan<byte> text, out FaultText fault)
    {
        fault = default;
        if (!TryHex(text, "fault_address=0x"u8, out ulong address) || !TryHex(text, "error_code=0x"u8, out ulong code))
            return false;
        bool hasRip = TryHex(text, "guest_rip=0x"u8, out ulong rip);
        fault = new FaultText(rip, address, code, hasRip);
        return true;
    }

    // rip=ffffffff… csbase=0 len=2 insn=ARRAY[0f, 0b, …] flags=9 failed=0        (the format is "%x:%llx"; 20 digits of decimal are too many)
    public static bool TryInstruction(ReadOnlySpan<byte> text, out InstructionText instruction)
    {
        instruction = default;
        if (!TryHex(text, "rip="u8, out ulong rip) || !TryHex(text, "csbase="u8, out ulong segment) || !TryNumber(text, "len="u8, out ulong length)
            || !TryNumber(text, "flags="u8, out ulong flags) || !TryNumber(text, "failed="u8, out ulong failed))
        {
            return false;
        }
        int array = text.IndexOf("insn=ARRAY["u8);
        InstructionBytes bytes = array < 0 ? default : InstructionBytes.ReadList(text[(array + 11)..], (int)Math.Min(length, 15));
        int bitness = (flags & ProtectedMode) == 0 || (flags & Virtual8086) != 0 ? 16 : (flags & Code64) != 0 ? 64 : (flags & Code32) != 0 ? 32 : 16;
        instruction = new InstructionText(unchecked(segment + rip), bytes, bitness, failed != 0);
        return true;
    }

    // type=2 len=4 gpa=0x… val=0x…
    public static bool TryMmio(ReadOnlySpan<byte> text, out MmioText mmio)
    {
        mmio = default;
        if (!TryNumber(text, "type="u8, out ulong type) || type > (ulong)MmioKind.Write || !TryNumber(text, "len="u8, out ulong length) || length > uint.MaxValue
            || !TryHex(text, "gpa=0x"u8, out ulong address))
        {
            return false;
        }
        mmio = new MmioText((MmioKind)type, (uint)length, address);
        return true;
    }

    // gpa=0x…
    public static bool TryFastMmio(ReadOnlySpan<byte> text, out ulong address) => TryHex(text, "gpa=0x"u8, out address);

    private static bool TryHex(ReadOnlySpan<byte> text, ReadOnlySpan<byte> name, out ulong number)
    {
        number = 0;
        return TryFind(ref text, name) && Hex.TryRead(ref text, out number);
    }

    private static bool TryNumber(ReadOnlySpan<byte> text, ReadOnlySpan<byte> name, out ulong number)
    {
        number = 0;
        return TryFind(ref text, name) && Hex.TryReadDecimal(ref text, out number);
    }

    /// <summary>Goes behind a name that stands at the beginning or behind a space.</summary>
    private static bool TryFind(ref ReadOnlySpan<byte> text, ReadOnlySpan<byte> name)
    {
        for (int at; (at = text.IndexOf(name)) >= 0;)
        {
            bool found = at == 0 || text[at - 1] == ' ';
            text = text[(at + name.Length)..];
            if (found)
                return true;
        }
        return false;
    }
}
