using System.Text;
using Reheat.Agent.Kvm;
using Xunit;

namespace Reheat.Loop.Tests.Kvm;

/// <summary>Lines as perf, trace-cmd and tracefs write them, in the kernel's words and in those of libtraceevent's plugin.</summary>
public sealed class TraceLineTests
{
    [Theory]
    // Found in the wild.
    [InlineData("microkvm-30942 kvm_emulate_insn: 0:ffffffff8134be37:44 8b 60 60 (prot64)", "30942 instruction ffffffff8134be37 448b6060")]
    [InlineData("microkvm-30942 kvm_mmio: mmio unsatisfied-read len 4 gpa 0xd0000060 val 0x0", "30942 UnsatisfiedRead 4 d0000060")]
    [InlineData("CPU 5/KVM-4145    [002] .....    86.582585: kvm_page_fault: vcpu 5 rip 0xffffffff81040f72 address 0x00000000fee000b0 error_code 0x182",
        "4145 fault ffffffff81040f72 fee000b0 182 write")]
    [InlineData("CPU 0/KVM  699876 [020] 18136.763707: kvm:kvm_exit: reason EPT_MISCONFIG rip 0xfffff8031964a727 info 0 0", "699876 exit Other fffff8031964a727")]
    [InlineData("CPU 0/KVM  699876 [020] 18136.763709: kvm:kvm_emulate_insn: 0:fffff8031964a727: 8b 56 0c", "699876 instruction fffff8031964a727 8b560c")]
    [InlineData("kvm-5664  [000] 11906.220183: kvm_mmio: mmio write len 4 gpa 0xfee000b0 val 0x0", "5664 Write 4 fee000b0")]
    [InlineData("k  7985 [001]  5432.423829: kvm:kvm_emulate_insn: 0:1003:a2 00 80 (real)", "7985 instruction 1003 a20080")]
    [InlineData("k  7985 [001]  5432.423829: kvm:kvm_mmio: mmio write len 1 gpa 0x8000 val 0x2", "7985 Write 1 8000")]
    // The kernel's forms of kvm_exit, oldest to newest.
    [InlineData("q-7 [000] 1.000001: kvm_exit: reason APIC_ACCESS rip 0xffffffff81040f72 info 10b0 0", "7 exit ApicAccess ffffffff81040f72 10b0")]
    [InlineData("q-7 [000] 1.000001: kvm_exit: vcpu 3 reason APIC_ACCESS rip 0xffffffff81040f72 info1 0x00000000000010b0 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000",
        "7 exit ApicAccess ffffffff81040f72 10b0")]
    [InlineData("q-7 [000] 1.000001: kvm_exit: vcpu 0 reason EXCEPTION_NMI FAILED_VMENTRY rip 0x1 info1 0x0000000000000000 info2 0x0 intr_info 0x0 error_code 0x0 requests 0x0000000000000000", "7 exit Other 1")]
    [InlineData("q-7 [000] 1.000001: kvm_exit: vcpu 0 reason DE excp rip 0xfff0 info1 0x0 info2 0x0 intr_info 0x0 error_code 0x0", "7 exit Other fff0")]
    [InlineData("q-7 [000] 1.000001: kvm_exit:             reason APIC_WRITE rip 0xffffffff81040f72 info 300 0", "7 exit ApicWritten ffffffff81040f72 300")]
    [InlineData("q-7 [000] 1.000001: kvm_exit: reason UNKNOWN (57) rip 0xffffffff81040f72 info 0 0", "7 exit Other ffffffff81040f72")]
    // Page faults.
    [InlineData("q-7 [000] 1.000001: kvm_page_fault: address fee000b0 error_code 182", "7 fault fee000b0 182 write")]
    [InlineData("q-7 [000] 1.000001: kvm_page_fault: vcpu 0 rip 0x7f address 0x0000000000001000 error_code 0x4", "7 fault 7f 1000 4")]
    // Emulation: failed, with a disassembly, with a code segment, with no bytes.
    [InlineData("q-7 [000] 1.000001: kvm_emulate_insn: 0:ffffffff81000000:0f 0b (prot64) failed", "7 instruction ffffffff81000000 0f0b failed")]
    [InlineData("q-7 [000] 1.000001: kvm_emulate_insn: 0:ffffffff81000000: mov %eax, (%rbx) FAIL", "7 instruction ffffffff81000000 - failed")]
    [InlineData("q-7 [000] 1.000001: kvm_emulate_insn: 0:ffffffff81000000: add %al, (%rax)", "7 instruction ffffffff81000000 -")]
    [InlineData("q-7 [000] 1.000001: kvm_emulate_insn: f0000:fff0:ea 5b e0 00 f0 (real)", "7 instruction ffff0 ea5be000f0")]
    [InlineData("q-7 [000] 1.000001: kvm_emulate_insn: 0:1000: (prot32)", "7 instruction 1000 -")]
    [InlineData("q-7 [000] 1.000001: kvm_emulate_insn: 0:1000:f3 48 a5 00 01 02 03 04 05 06 07 08 09 0a 0b (prot64)", "7 instruction 1000 f348a5000102030405060708090a0b")]
    // Device accesses.
    [InlineData("q-7 [000] 1.000001: kvm_mmio: mmio read len 8 gpa 0xfed000f0 val 0x12", "7 Read 8 fed000f0")]
    [InlineData("q-7 [000] 1.000001: kvm_fast_mmio: fast mmio at gpa 0xfe003000", "7 fast fe003000")]
    // trace-cmd report -R.
    [InlineData("q-7 [000] 1.000001: kvm_exit:              exit_reason=1024 guest_rip=0x7003 isa=2 info1=0x0000000100000006 info2=0x0000000000008000 intr_info=0x00000000 error_code=0x00000000 vcpu_id=0", "7 exit Other 7003")]
    [InlineData("q-7 [000] 1.000001: kvm_exit:              exit_reason=44 guest_rip=0xffffffff81040f72 isa=1 info1=0x00000000000010b0 info2=0x0 vcpu_id=3", "7 exit ApicAccess ffffffff81040f72 10b0")]
    [InlineData("q-7 [000] 1.000001: kvm_exit:              exit_reason=56 guest_rip=0xffffffff81040f72 isa=1 info1=0x0000000000000300 info2=0x0", "7 exit ApicWritten ffffffff81040f72 300")]
    [InlineData("q-7 [000] 1.000001: kvm_exit:              exit_reason=1026 guest_rip=0xffffffff81040f72 isa=2 info1=0x00000000000000b0 info2=0x0", "7 exit ApicWritten ffffffff81040f72 b0")]
    [InlineData("q-7 [000] 1.000001: kvm_exit:              exit_reason=44 guest_rip=0x1000 isa=2 info1=0x00000000000010b0 info2=0x0", "7 exit Other 1000")]
    [InlineData("q-7 [000] 1.000001: kvm_page_fault:        vcpu_id=0 guest_rip=0x7003 fault_address=0x0000000000008000 error_code=0x100000006", "7 fault 7003 8000 100000006 write")]
    [InlineData("q-7 [000] 1.000001: kvm_page_fault:        fault_address=0xfee000b0 error_code=0x182", "7 fault fee000b0 182 write")]
    [InlineData("q-7 [000] 1.000001: kvm_emulate_insn:      rip=ffffffff8134be37 csbase=0 len=4 insn=ARRAY[44, 8b, 60, 60, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00] flags=9 failed=0", "7 instruction ffffffff8134be37 448b6060")]
    [InlineData("q-7 [000] 1.000001: kvm_emulate_insn:      rip=fff0 csbase=f0000 len=2 insn=ARRAY[0f, 0b, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00] flags=0 failed=1", "7 instruction ffff0 0f0b failed")]
    [InlineData("q-7 [000] 1.000001: kvm_mmio:              type=0 len=4 gpa=0xfee00000 val=0x0", "7 UnsatisfiedRead 4 fee00000")]
    [InlineData("q-7 [000] 1.000001: kvm_mmio:              type=2 len=1 gpa=0x8000 val=0x2", "7 Write 1 8000")]
    [InlineData("q-7 [000] 1.000001: kvm_fast_mmio:         gpa=0xfe003000", "7 fast fe003000")]
    // Prefixes: flags of four characters, of five, none; a tgid; a process and thread; no CPU; a period; an idle command; nothing at all.
    [InlineData("CPU 0/KVM-12345   [001] d..1  5432.423829: kvm_fast_mmio: fast mmio at gpa 0x1", "12345 fast 1")]
    [InlineData("CPU 0/KVM-12345   [001] d..1.  5432.423829: kvm_fast_mmio: fast mmio at gpa 0x1", "12345 fast 1")]
    [InlineData("CPU 0/KVM-12345   (  12300) [001] d..1.  5432.423829: kvm_fast_mmio: fast mmio at gpa 0x1", "12345 fast 1")]
    [InlineData("           <...>-30942   (-------) [001] .....  5432.423829: kvm_fast_mmio: fast mmio at gpa 0x1", "30942 fast 1")]
    [InlineData("CPU 0/KVM 12300/12345 [001]  5432.423829123: kvm:kvm_fast_mmio: fast mmio at gpa 0x1", "12345 fast 1")]
    [InlineData("CPU 0/KVM 12345  5432.423829:          1 kvm:kvm_fast_mmio: fast mmio at gpa 0x1", "12345 fast 1")]
    [InlineData("a-b c: d [0] -9-77 [003] 1.000001: kvm_fast_mmio: fast mmio at gpa 0x1", "77 fast 1")]
    [InlineData("qemu-system-x86 901 [000] 1.000001: kvm:kvm_fast_mmio: fast mmio at gpa 0x1", "901 fast 1")]
    public void A_line_is_understood(string line, string expected) => Assert.Equal(expected, Read(line));

    [Theory]
    [InlineData("kvm_fast_mmio: fast mmio at gpa 0x1")]
    [InlineData("CPU 0/KVM [001] 1.0: kvm_fast_mmio: fast mmio at gpa 0x1")]
    public void A_line_without_a_thread_has_one_of_its_commands_own(string line) => Assert.StartsWith("-", Read(line), StringComparison.Ordinal);

    [Theory]
    [InlineData("")]
    [InlineData("# tracer: nop")]
    [InlineData("q-7 [000] 1.000001: something without a colon")]
    [InlineData("foo: bar")]
    [InlineData("kvm_mmio")]
    [InlineData("\0\0\0: \0")]
    public void Other_lines_name_no_event(string line) => Assert.False(TraceLine.TrySplit(Encoding.UTF8.GetBytes(line), out _));

    [Theory]
    [InlineData("q-7 [0] 1.1: kvm_exit: reason HLT")]
    [InlineData("q-7 [0] 1.1: kvm_exit: rip 0x1 reason HLT")]
    [InlineData("q-7 [0] 1.1: kvm_exit: reason APIC_ACCESS rip 0x1")]
    [InlineData("q-7 [0] 1.1: kvm_exit: reason HLT rip 0x11111111111111111 info 0 0")]
    [InlineData("q-7 [0] 1.1: kvm_page_fault: address error_code")]
    [InlineData("q-7 [0] 1.1: kvm_page_fault: error_code 1 address 2")]
    [InlineData("q-7 [0] 1.1: kvm_emulate_insn: prot64")]
    [InlineData("q-7 [0] 1.1: kvm_emulate_insn: 0:")]
    [InlineData("q-7 [0] 1.1: kvm_mmio: mmio poke len 4 gpa 0x1 val 0x1")]
    [InlineData("q-7 [0] 1.1: kvm_mmio: mmio read len 99999999999 gpa 0x1 val 0x1")]
    [InlineData("q-7 [0] 1.1: kvm_mmio: mmio read len 4")]
    [InlineData("q-7 [0] 1.1: kvm_fast_mmio: fast mmio")]
    [InlineData("q-7 [0] 1.1: kvm_exit: exit_reason=1024 isa=2")]
    [InlineData("q-7 [0] 1.1: kvm_exit: exit_reason=44 guest_rip=0x1 isa=1")]
    [InlineData("q-7 [0] 1.1: kvm_exit: exit_reason=44 guest_rip=0x1 isa=1 info1=4272")]
    [InlineData("q-7 [0] 1.1: kvm_page_fault: fault_address=0x error_code=0x1")]
    [InlineData("q-7 [0] 1.1: kvm_page_fault: fault_address=32768 error_code=6")]
    [InlineData("q-7 [0] 1.1: kvm_emulate_insn: rip=18446744071580524343 csbase=0 len=1 insn=ARRAY[90] flags=9 failed=0")]
    [InlineData("q-7 [0] 1.1: kvm_mmio: type=3 len=4 gpa=0x1 val=0x0")]
    [InlineData("q-7 [0] 1.1: kvm_mmio: type=1 len=4 xgpa=0x1 val=0x0")]
    [InlineData("q-7 [0] 1.1: kvm_mmio: type=1 len=4 gpa=4276092928 val=0")]
    public void An_event_of_another_form_is_not_guessed_at(string line) => Assert.EndsWith("?", Read(line), StringComparison.Ordinal);

    [Theory]
    [InlineData("CPU:0 [LOST 12 EVENTS]", 12)]
    [InlineData("CPU:1 [7 EVENTS DROPPED]", 7)]
    [InlineData("CPU:1 [EVENTS DROPPED]", 1)]
    [InlineData("k 7985 [001] 5432.4: PERF_RECORD_LOST lost 23", 23)]
    public void What_a_recorder_lost_is_heard(string line, int events)
    {
        Assert.True(KvmText.TryLost(Encoding.UTF8.GetBytes(line), out ulong lost));
        Assert.Equal((ulong)events, lost);
    }

    private static string Read(string text)
    {
        Assert.True(TraceLine.TrySplit(Encoding.UTF8.GetBytes(text), out TraceLine line));
        string said = line.Event switch
        {
            KvmEvent.Exit when KvmText.TryExit(line.Text, out ExitText e) => $"exit {e.Kind} {e.Rip:x}{(e.Kind == ExitKind.Other ? "" : $" {e.Information:x}")}",
            KvmEvent.PageFault when KvmText.TryFault(line.Text, out FaultText f) => $"fault {(f.HasRip ? $"{f.Rip:x} " : "")}{f.Address:x} {f.ErrorCode:x}{(f.IsWrite ? " write" : "")}",
            KvmEvent.EmulateInstruction when KvmText.TryInstruction(line.Text, out InstructionText i) =>
                $"instruction {i.Rip:x} {(i.Bytes.Length == 0 ? "-" : Convert.ToHexStringLower(i.Bytes.Span))}{(i.Failed ? " failed" : "")}",
            KvmEvent.Mmio when KvmText.TryMmio(line.Text, out MmioText m) => $"{m.Kind} {m.Length} {m.Address:x}",
            KvmEvent.FastMmio when KvmText.TryFastMmio(line.Text, out ulong address) => $"fast {address:x}",
            _ => "?",
        };
        return $"{line.Thread} {said}";
    }
}
