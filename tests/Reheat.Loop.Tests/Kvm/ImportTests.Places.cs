using Reheat.Core.Elf;
using Reheat.Loop.Tests.Fixtures;
using Xunit;

namespace Reheat.Loop.Tests.Kvm;

/// <summary>Where KASLR put the kernel and where its modules are, by the guest's <c>/proc/kallsyms</c>.</summary>
public sealed partial class ImportTests
{
    private const string ModuleSource =
        """
        .text
        .type module_write, @function
        module_write: movl %esi, (%rdi)
        ret
        .size module_write, . - module_write
        .section .init.text, "ax"
        nop
        .type module_read, @function
        module_read: movl (%rdi), %eax
        ret
        .size module_read, . - module_read
        """;

    /// <summary>An image with a kernel's symbols: <c>_stext</c> at the beginning of its code, <c>_etext</c> 64 bytes on; and where that code begins.</summary>
    private (string Path, ulong Text) Kernel(TestImage image)
    {
        string path = _scratch.File("vmlinux");
        Tool.Run("objcopy", "--add-symbol", "_stext=.text:0,global", "--add-symbol", "_etext=.text:64,global", image.Path, path);
        using ElfImage elf = ElfImage.Open(path);
        return (path, elf.Sections.Single(s => s.Name == ".text").Start.Value);
    }

    [Fact]
    public async Task Kallsyms_tell_where_a_kernel_was_moved()
    {
        const long Bias = 0x0e40_0000;
        TestImage image = TestImage.Get(26);
        (string kernel, ulong at) = Kernel(image);
        string text = _scratch.File("slid.txt"), symbols = _scratch.File("kallsyms"), other = _scratch.File("other"), none = _scratch.File("none");
        var host = new TraceWriter(image, threads: 2, bias: Bias);
        await File.WriteAllTextAsync(text, host.Perf(300));
        await File.WriteAllTextAsync(symbols, $"{0:x16} A __per_cpu_start\n{at + Bias:x16} T _stext\n{at + Bias + 64:x16} T _etext\n{0xffffffffc0000000:x16} t probe\t[e1000]\n");
        await File.WriteAllTextAsync(other, $"{at + Bias:x16} T _stext\n{at + Bias + 0x80:x16} T _etext\n");
        await File.WriteAllTextAsync(none, $"{at + Bias:x16} T start\n");

        ReheatResult contradicts = await ImportAsync(text, "--image", kernel, "--kallsyms", other);
        ReheatResult lacks = await ImportAsync(text, "--image", kernel, "--kallsyms", none);
        await _database.AssertTrapsAsync(0);
        ReheatResult placed = await ImportAsync(text, "--image", kernel, "--kallsyms", symbols);

        Assert.Equal((3, 3), (contradicts.ExitCode, lacks.ExitCode));
        Assert.Contains("is of another kernel than", contradicts.Errors, StringComparison.Ordinal);
        Assert.Contains("_stext is moved by 0xe400000, _etext is moved by 0xe400040", contradicts.Errors, StringComparison.Ordinal);
        Assert.Contains("none of _text, _stext and _etext in common", lacks.Errors, StringComparison.Ordinal);
        Assert.True(placed.ExitCode == 0, placed.Errors);
        await AssertCountsAsync(host);
    }

    [Fact]
    public async Task Kallsyms_tell_where_each_section_of_a_module_is()
    {
        string source = _scratch.File("module.S"), module = _scratch.File("probe-e1000.ko"), symbols = _scratch.File("kallsyms"), text = _scratch.File("trace.txt"), without = _scratch.File("without");
        await File.WriteAllTextAsync(source, ModuleSource);
        Tool.Run("gcc", "-c", "-o", $"{module}.o", source);
        Tool.Run("ld", "-r", "--build-id=sha1", "-o", module, $"{module}.o");
        const ulong Text = 0xffffffffc0123000, Init = 0xffffffffc0456000;
        await File.WriteAllTextAsync(symbols, $"{0xffffffff81000000:x16} T _stext\n{Text:x16} t module_write\t[probe_e1000]\n{Init + 1:x16} t module_read\t[probe_e1000]\n");
        await File.WriteAllTextAsync(without, $"{0xffffffff81000000:x16} T _stext\n{Text:x16} t module_write\t[another]\n");
        static string Story(ulong ip, string bytes, string access) =>
            $"CPU 0/KVM-41 [001] 1.000001: kvm_emulate_insn: 0:{ip:x}:{bytes} (prot64)\nCPU 0/KVM-41 [001] 1.000001: kvm_mmio: mmio {access} len 4 gpa 0xfeb00000 val 0x0\nCPU 0/KVM-41 [001] 1.000001: kvm_entry: vcpu 0\n";
        await File.WriteAllTextAsync(text, string.Concat(Enumerable.Repeat(Story(Text, "89 37", "write"), 7)) + string.Concat(Enumerable.Repeat(Story(Init + 1, "8b 07", "read"), 5)));

        ReheatResult refused = await ImportAsync(text, "--image", module, "--kallsyms", without);
        ReheatResult placed = await ImportAsync(text, "--image", module, "--kallsyms", symbols);

        Assert.Equal(3, refused.ExitCode);
        Assert.Contains("no symbol of module probe_e1000", refused.Errors, StringComparison.Ordinal);
        Assert.True(placed.ExitCode == 0, placed.Errors);
        // A module's addresses are offsets in its file.
        using ElfImage elf = ElfImage.Open(module);
        long written = (long)elf.Sections.Single(s => s.Name == ".text").Start.Value, read = (long)elf.Sections.Single(s => s.Name == ".init.text").Start.Value + 1;
        Assert.Equal(new Dictionary<long, long> { [written] = 7, [read] = 5 }, await _database.ByAddressAsync());
    }
}
