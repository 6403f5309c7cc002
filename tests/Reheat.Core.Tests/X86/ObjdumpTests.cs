using System.Globalization;
using System.Text.RegularExpressions;
using Iced.Intel;
using Reheat.Core.X86;
using Xunit;

namespace Reheat.Core.Tests.X86;

/// <summary>Lengths and memory operands, checked against binutils on large real binaries.</summary>
public sealed partial class ObjdumpTests
{
    [Theory]
    [InlineData("libc.so.6", 64)]
    [InlineData("libstdc++.so.6", 64)]
    public void Agrees_with_objdump_on_a_library(string library, int bitness)
    {
        using var scratch = new Scratch();
        string path = Path.Combine("/usr/lib/x86_64-linux-gnu", library);
        Compare(Tool.Run(scratch.Path, "objdump", "-d", "-w", "-j", ".text", path), bitness, atLeast: 200_000);
    }

    [Theory]
    [InlineData("-m32 -O2 -fno-PIE", 32)]
    [InlineData("-m32 -O0 -msse2 -mfpmath=sse", 32)]
    [InlineData("-m32 -O3 -march=haswell -fPIC", 32)]
    [InlineData("-m64 -O3 -march=skylake-avx512", 64)]
    public void Agrees_with_objdump_on_compiled_code(string flags, int bitness)
    {
        using var scratch = new Scratch();
        string source = Path.Combine(AppContext.BaseDirectory, "X86", "sources", "device.c.txt");
        Tool.Run(scratch.Path, "gcc", [.. flags.Split(' '), "-w", "-x", "c", "-c", source, "-o", "a.o"]);
        Compare(Tool.Run(scratch.Path, "objdump", "-d", "-w", "a.o"), bitness, atLeast: 300);
    }

    private static void Compare(string dump, int bitness, int atLeast)
    {
        int compared = 0;
        var wrong = new List<string>();
        foreach (string line in dump.Split('\n'))
        {
            string[] columns = line.Split('\t');
            if (columns.Length < 3 || columns[2].Contains("(bad)", StringComparison.Ordinal))
                continue;
            byte[] bytes = Convert.FromHexString(columns[1].Replace(" ", "", StringComparison.Ordinal));
            ulong address = ulong.Parse(columns[0].Trim(' ', ':'), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
            // What follows must not change the answer.
            byte[] padded = [.. bytes, .. Enumerable.Repeat((byte)0xcc, 15)];
            SiteInstruction instruction = SiteInstruction.Decode(padded, address, bitness);
            string text = Symbol().Replace(columns[2].Split('#')[0], "");
            bool memory = Operand().IsMatch(text) && !Direct().IsMatch(text);
            bool decoded = Enumerable.Range(0, instruction.Decoded.OpCount).Any(i => instruction.Decoded.GetOpKind(i) is
                OpKind.Memory or >= OpKind.MemorySegSI and <= OpKind.MemoryESRDI);
            if (instruction.Length != bytes.Length || !instruction.IsValid)
                wrong.Add($"{line}: {instruction.Length} bytes, {instruction.Mnemonic}");
            else if (memory != decoded)
                wrong.Add($"{line}: memory operand {decoded}");
            compared++;
        }
        Assert.True(wrong.Count == 0, $"{wrong.Count} of {compared}:\n{string.Join('\n', wrong.Take(40))}");
        Assert.InRange(compared, atLeast, int.MaxValue);
        TestContext.Current.SendDiagnosticMessage("{0} instructions compared", compared);
    }

    // <symbol+offset> behind an address, x87 registers and port numbers, which look like operands
    [GeneratedRegex(@"<[^>]*>|%st\(\d\)|\(%dx\)")]
    private static partial Regex Symbol();

    // (base,index,scale), segment:offset, or a bare address as operand
    [GeneratedRegex(@"\(|%[c-gs]s:|(\s|,|\*)(0x)?[0-9a-f]+(,|\s*$)")]
    private static partial Regex Operand();

    // branches whose operand is the target itself
    [GeneratedRegex(@"^(bnd |notrack |rep |repz |addr32 |data16 |rex[.A-Z]* |cs |ds )*(j[a-z]+|call[a-z]*|loop[a-z]*|xbegin)(,p[nt])?\s+[0-9a-fx]+\s*$")]
    private static partial Regex Direct();
}
