using System.Globalization;
using System.Text;
using Reheat.Core;
using Reheat.Core.Elf;
using Reheat.Loop.Tests.Fixtures;

namespace Reheat.Loop.Tests.Kvm;

/// <summary>Writes what a host would have recorded of a guest that runs an image of the tests, and keeps count.</summary>
internal sealed class TraceWriter
{
    private readonly Random _random = new(7);
    private readonly (ulong Ip, string Bytes, string Kind)[] _sites;
    private readonly long _bias;
    private readonly int _threads;
    private double _time = 100;

    public TraceWriter(TestImage image, int threads, long bias = 0)
    {
        (_threads, _bias) = (threads, bias);
        using ElfImage elf = ElfImage.Open(image.Path);
        (string Function, string Mnemonic, string Kind)[] accesses = [("read_reg", "mov", "read"), ("write_reg", "mov", "write"), ("exchange_reg", "xchg", "exchange"), ("set_bits", "or", "exchange")];
        _sites = [.. accesses
            .Select(s => (image.Find(s.Function, s.Mnemonic), s.Kind))
            .Select(s => (s.Item1.Address, string.Join(' ', elf.BytesAt(new ImageAddress(s.Item1.Address), s.Item1.Length).ToArray().Select(b => $"{b:x2}")), s.Kind))];
    }

    /// <summary>Traps written so far.</summary>
    public long Traps => ByAddress.Values.Sum();

    /// <summary>By image address.</summary>
    public Dictionary<long, long> ByAddress { get; } = [];

    /// <summary>Traps as <c>perf script</c> shows them, in the kernel's words.</summary>
    public string Perf(int traps) => Write(traps, (thread, name, kernel, _) => $"CPU {thread}/KVM  {4000 + thread} [00{thread}] {Now}: {"kvm:" + name + ":",24} {kernel}\n");

    /// <summary>Traps as <c>trace-cmd report</c> shows them, in the plugin's words.</summary>
    public string TraceCmd(int traps) => Write(traps, (thread, name, _, plugin) => $"       CPU {thread}/KVM-{4000 + thread}   [00{thread}] d..1. {Now}: {name + ":",-20} {plugin}\n");

    private string Now => (_time += 0.000013).ToString("0.000000", CultureInfo.InvariantCulture);

    /// <summary>Each thread tells its story; the lines of threads interleave.</summary>
    private string Write(int traps, Func<int, string, string, string, string> line)
    {
        var stories = new Queue<string>[_threads];
        for (int thread = 0; thread < _threads; thread++)
            stories[thread] = new Queue<string>();
        var text = new StringBuilder();
        while (traps > 0 || stories.Any(s => s.Count > 0))
        {
            int thread = _random.Next(_threads);
            if (stories[thread].Count == 0 && traps > 0)
            {
                traps--;
                foreach ((string name, string kernel, string plugin) in Story())
                    stories[thread].Enqueue(line(thread, name, kernel, plugin));
            }
            if (stories[thread].TryDequeue(out string? next))
                text.Append(next);
        }
        return text.ToString();
    }

    private IEnumerable<(string Name, string Kernel, string Plugin)> Story()
    {
        (ulong address, string bytes, string kind) = _sites[_random.Next(_sites.Length)];
        ByAddress[(long)address] = ByAddress.GetValueOrDefault((long)address) + 1;
        ulong ip = unchecked(address + (ulong)_bias);
        ulong at = _random.Next(2) == 0 ? 0xfee000b0UL : 0xd0000000;
        yield return ("kvm_exit", $"vcpu 0 reason EPT_MISCONFIG rip 0x{ip:x} info1 0x0000000000000000 info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000", $"reason EPT_MISCONFIG rip 0x{ip:x} info 0 0");
        yield return ("kvm_emulate_insn", $"0:{ip:x}:{bytes} (prot64)", $"0:{ip:x}: {bytes}");
        if (kind != "write")
        {
            yield return ("kvm_mmio", $"mmio unsatisfied-read len 4 gpa 0x{at:x} val 0x0", $"mmio unsatisfied-read len 4 gpa 0x{at:x} val 0x0");
            yield return ("kvm_userspace_exit", "reason KVM_EXIT_MMIO (6)", "reason KVM_EXIT_MMIO (6)");
            yield return ("kvm_mmio", $"mmio read len 4 gpa 0x{at:x} val 0x12", $"mmio read len 4 gpa 0x{at:x} val 0x12");
        }
        if (kind != "read")
            yield return ("kvm_mmio", $"mmio write len 4 gpa 0x{at:x} val 0x1", $"mmio write len 4 gpa 0x{at:x} val 0x1");
        yield return ("kvm_entry", $"vcpu 0, rip 0x{ip + 2:x}", "vcpu 0");
    }
}
