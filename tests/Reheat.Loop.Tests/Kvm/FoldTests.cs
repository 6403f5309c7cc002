using Reheat.Loop.Tests.Fixtures;
using Xunit;

namespace Reheat.Loop.Tests.Kvm;

/// <summary>From events to accesses: joined by thread, each trap once.</summary>
public sealed class FoldTests : IDisposable
{
    private readonly Folding _fold = new(TestImage.Get());

    public void Dispose() => _fold.Dispose();

    private ulong Read => At("read_reg", "mov");

    private ulong Write => At("write_reg", "mov");

    private ulong Exchange => At("exchange_reg", "xchg");

    private ulong Fill => At("fill", "stos");

    private ulong At(string function, string mnemonic) => _fold.Image.Find(function, mnemonic).Address;

    private string Bytes(ulong at)
    {
        using var elf = Core.Elf.ElfImage.Open(_fold.Image.Path);
        ReadOnlySpan<byte> bytes = elf.BytesAt(new Core.ImageAddress(at), _fold.Image.Instructions.Single(i => i.Address == at).Length);
        return string.Join(' ', bytes.ToArray().Select(b => $"{b:x2}"));
    }

    private string Exit(ulong at, string reason = "EPT_MISCONFIG", string info = "0x0") => $"kvm_exit: vcpu 0 reason {reason} rip 0x{at:x} info1 {info} info2 0x0 intr_info 0x00000000 error_code 0x00000000";

    private string Emulate(ulong at) => $"kvm_emulate_insn: 0:{at:x}:{Bytes(at)} (prot64)";

    private static string Mmio(string kind, ulong address, int length = 4) => $"kvm_mmio: mmio {kind} len {length} gpa 0x{address:x} val 0x0";

    private const string Entry = "kvm_entry: vcpu 0, rip 0x1";

    [Fact]
    public void A_store_is_counted_at_its_instruction() =>
        Counts(["write_reg write:4:mmio 1 1"], Exit(Write), Emulate(Write), Mmio("write", 0xd0000000), Entry);

    [Fact]
    public void A_load_that_user_space_answers_is_one_access() =>
        Counts(["read_reg read:4:hpet 1 1"], Exit(Read), Emulate(Read), Mmio("unsatisfied-read", 0xfed000f0), "kvm_userspace_exit: reason KVM_EXIT_MMIO (6)", Mmio("read", 0xfed000f0), Entry);

    [Fact]
    public void A_load_whose_answer_is_not_recorded_is_counted_when_the_guest_goes_on()
    {
        _fold.Take(Exit(Read), Emulate(Read), Mmio("unsatisfied-read", 0xd0000000));
        Assert.Empty(_fold.Counted());
        Assert.Equal(1, _fold.Folder.Unfinished);
        Counts(["read_reg read:4:mmio 1 1"], Exit(Write));
        Assert.Equal(0, _fold.Folder.Unfinished);
    }

    [Fact]
    public void A_read_modify_write_is_one_exchange() =>
        Counts(["exchange_reg exchange:4:lapic 1 1"], Exit(Exchange), Emulate(Exchange), Mmio("read", 0xfee00300), Mmio("write", 0xfee00300), Entry);

    [Fact]
    public void A_string_instruction_is_one_execution_of_many_elements() =>
        Counts(["fill write:4:mmio 1 3"], Exit(Fill), Emulate(Fill), Mmio("write", 0xd0000000), Mmio("write", 0xd0000004), Mmio("write", 0xd0000008), Entry);

    [Fact]
    public void The_devices_of_every_PC_are_told_apart() => Counts(
        ["write_reg write:4:lapic 1 1", "write_reg write:4:ioapic 1 1", "write_reg write:4:hpet 1 1", "write_reg write:4:mmio 1 1"],
        ((ulong[])[0xfee000b0, 0xfec00010, 0xfed00100, 0xfed10000]).SelectMany(a => (string[])[Exit(Write), Emulate(Write), Mmio("write", a)]));

    [Fact]
    public void A_memory_map_names_the_others()
    {
        using var fold = new Folding(_fold.Image, map: File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Machine", "pc-e1000-vga.mtree.txt")));
        fold.Take(((ulong[])[0xfee000b0, 0xfec00010, 0xa1234]).SelectMany(a => (string[])[Exit(Write), Emulate(Write), Mmio("write", a)]));
        Assert.Equal(["write_reg write:4:lapic 1 1", "write_reg write:4:ioapic 1 1", "write_reg write:4:vga 1 1"], fold.Counted());
    }

    [Fact]
    public void Threads_that_interleave_are_joined_each_with_its_own()
    {
        string On(int thread, string text) => $"CPU {thread}/KVM-{thread} [001] 1.000001: {text}";
        Counts(["write_reg write:4:mmio 1 1", "read_reg read:4:lapic 1 1"],
            On(1, Emulate(Write)), On(2, Emulate(Read)), On(1, Mmio("write", 0xd0000000)), On(2, Mmio("unsatisfied-read", 0xfee00020)), On(1, Entry), On(2, Mmio("read", 0xfee00020)));
    }

    [Fact]
    public void An_event_that_tells_no_instruction_is_joined_with_the_stop_of_its_guest() => Counts(
        ["write_reg write:4:mmio 2 2"], Exit(Write), Mmio("write", 0xd0000000), $"kvm_page_fault: vcpu 0 rip 0x{Write:x} address 0x00000000d0000000 error_code 0x2", Mmio("write", 0xd0000000));

    [Fact]
    public void An_eventfd_takes_a_store_whose_width_the_instruction_tells() =>
        Counts(["write_reg write:4:mmio 1 1"], Exit(Write), "kvm_fast_mmio: fast mmio at gpa 0xfe003000", Entry);

    [Fact]
    public void An_eventfd_is_not_joined_with_the_instruction_before() =>
        Counts(["read_reg read:4:mmio 1 1", "NoInstruction 1"], Emulate(Read), Mmio("read", 0xd0000000), "kvm_fast_mmio: fast mmio at gpa 0xfe003000");

    [Fact]
    public void An_APIC_access_that_is_not_emulated_is_counted_once_the_guest_goes_on() => Counts(
        ["write_reg write:4:lapic 1 1", "read_reg read:4:lapic 1 1"], Exit(Write, "APIC_ACCESS", "0x00000000000010b0"), Entry, Exit(Read, "APIC_ACCESS", "0x0000000000000020"), Entry);

    [Fact]
    public void An_APIC_access_that_is_emulated_is_counted_once() =>
        Counts(["write_reg write:4:lapic 1 1"], Exit(Write, "APIC_ACCESS", "0x0000000000001300"), Emulate(Write), Mmio("write", 0xfee00300), Entry);

    [Fact]
    public void An_APIC_write_that_is_done_already_was_the_instruction_before()
    {
        ulong next = Write + (ulong)_fold.Image.Instructions.Single(i => i.Address == Write).Length;
        Counts(["write_reg write:4:lapic 1 1"], Exit(next, "APIC_WRITE", "0x0000000000000300"), Entry);
    }

    [Fact]
    public void A_fault_at_a_device_counts_where_its_access_is_not_recorded() => Counts(
        ["write_reg write:4:lapic 1 1", "read_reg read:4:ioapic 1 1"],
        $"kvm_page_fault: vcpu 5 rip 0x{Write:x} address 0x00000000fee000b0 error_code 0x182", $"kvm_page_fault: vcpu 5 rip 0x{Read:x} address 0x00000000fec00010 error_code 0x181", Entry);

    [Fact]
    public void A_store_that_is_emulated_and_reaches_no_device_was_to_a_page_table() => Counts(
        ["write_reg pt-write:4:page-table 1 1", "exchange_reg pt-exchange:4:page-table 1 1"],
        $"kvm_page_fault: vcpu 0 rip 0x{Write:x} address 0x00000000c0123000 error_code 0x3", Emulate(Write), Entry,
        $"kvm_page_fault: vcpu 0 rip 0x{Exchange:x} address 0x00000000c0123000 error_code 0x3", Emulate(Exchange), Entry);

    [Fact]
    public void Memory_that_comes_late_and_instructions_without_access_are_no_traps()
    {
        Counts([], $"kvm_page_fault: vcpu 0 rip 0x{Write:x} address 0x0000000000123000 error_code 0x2", Entry, Emulate(Read), Entry);
        Assert.Equal(2, _fold.Folder.NoAccess);
        Assert.Equal(0UL, _fold.Folder.Traps);
    }

    [Fact]
    public void An_access_of_nobody_knows_which_instruction_is_dropped_and_counted() => Counts(["NoInstruction 2"], Mmio("write", 0xd0000000), Entry, Mmio("read", 0xd0000000));

    [Fact]
    public void Code_outside_the_images_is_counted_apart()
    {
        Counts(["OutsideImages 1"], "kvm_emulate_insn: 0:ffffffff81000000:89 07 (prot64)", Mmio("write", 0xd0000000), Mmio("write", 0xd0000004));
        Assert.Equal((1UL, 1UL), (_fold.Folder.Traps, _fold.Folder.Outside));
    }

    [Fact]
    public void What_the_recorder_lost_may_be_half_of_anything()
    {
        Counts(["NoInstruction 1"], Exit(Write), Emulate(Write), "CPU:1 [LOST 9 EVENTS]", Mmio("write", 0xd0000000));
        Assert.Equal(9UL, _fold.Folder.Lost);
    }

    [Fact]
    public void A_bias_is_taken_off()
    {
        using var fold = new Folding(_fold.Image, bias: 0x1e000000);
        fold.Take(Exit(Write + 0x1e000000), Mmio("write", 0xd0000000), Exit(Write), Mmio("write", 0xd0000000));
        Assert.Equal(["write_reg write:4:mmio 1 1", "OutsideImages 1"], fold.Counted());
    }

    [Fact]
    public void Every_line_is_understood_or_counted_by_kind_with_an_example()
    {
        _fold.Take(Exit(Write), Entry, "kvm_mmio: mmio poke", "kvm_pio: pio_read at 0x1 size 1 count 1 val 0x1", "kvm_pio: pio_read at 0x2 size 1 count 1 val 0x1");
        _fold.Folder.Take("what is this?"u8);
        _fold.Folder.Take("# comment"u8);
        _fold.Folder.Take("\tffffffffa0a5d2f1 vmx_vcpu_run+0x2f1 ([kvm_intel])"u8);
        _fold.Folder.Take("cpus=8"u8);
        _fold.Folder.Take(""u8);

        Assert.Equal(2, _fold.Folder.Understood);
        Assert.Equal(["kvm_mmio of another form 1 line 3", "no event 1 line 6"], _fold.Folder.NotUnderstood.Kinds.Select(k => $"{k.Kind} {k.Lines} line {k.ExampleLine}"));
        Assert.Equal("what is this?", _fold.Folder.NotUnderstood.Kinds[1].Example);
        Assert.Equal(["kvm_pio 2", "comment 1", "empty 1", "frame of a call graph 1", "header of trace-cmd 1"], _fold.Folder.Other.Kinds.Select(k => $"{k.Kind} {k.Lines}"));
        Assert.Equal(_fold.Folder.Lines, _fold.Folder.Understood + _fold.Folder.Other.Lines + _fold.Folder.NotUnderstood.Lines);
    }

    private void Counts(IEnumerable<string> expected, params IEnumerable<string> events) => Assert.Equal(expected, _fold.Take(events).Counted());
}
