using System.Buffers.Binary;
using Reheat.Core.X86;
using Xunit;

namespace Reheat.Core.Tests.X86;

/// <summary>Real code: an object of gcc's and the image that ld made of it must agree, function by function.</summary>
public sealed class FingerprintTests
{
    private const string Kernel = "-O2 -fno-PIE -mcmodel=kernel -mno-red-zone -fno-asynchronous-unwind-tables";

    [Theory]
    [InlineData("-O2 -fno-PIE -fcf-protection", "0x400000")]
    [InlineData("-Os -fno-PIE -fcf-protection=none", "0x400000")]
    [InlineData("-O0 -fno-PIE", "0x10000000")]
    [InlineData("-O3 -fno-PIE -march=haswell -ffunction-sections", "0x400000")]
    [InlineData("-O2 -fPIE -fcf-protection", "0x400000")]
    [InlineData("-O2 -fPIC -fno-plt", "0x400000")]
    [InlineData(Kernel + " -fcf-protection=branch -DLABELS", "0xffffffff81000000")]
    [InlineData(Kernel + " -fcf-protection=branch -DLABELS -pg -mfentry", "0xffffffff81000000")]
    [InlineData(Kernel + " -fcf-protection=none -DLABELS -mindirect-branch=thunk-extern -mfunction-return=thunk-extern -mindirect-branch-register", "0xffffffff81234000")]
    [InlineData("-O2 -m32 -fno-PIE -fcf-protection=none", "0xc1000000")]
    [InlineData("-Os -m32 -fno-PIE -march=i686", "0x8048000")]
    public void Object_and_image_have_equal_fingerprints(string flags, string text)
    {
        using var scratch = new Scratch();
        (TestElf device, TestElf other, TestElf image) = Build(scratch, flags, text);
        ILookup<string, FunctionCode> linked = image.Functions().Select(f => FunctionCode.Decode(AsPatched(f))).ToLookup(f => f.Name);
        int compared = 0;
        foreach (FunctionBytes function in device.Functions().Concat(other.Functions()))
        {
            FunctionCode fresh = FunctionCode.Decode(function);
            List<FunctionCode> candidates = [.. linked[function.Name]];
            Assert.NotEmpty(candidates);
            Assert.True(candidates.Count(c => Agree(flags, c, fresh)) == 1, $"{flags}: {function.Name}\n{Difference(fresh, candidates[0])}");
            compared++;
        }
        Assert.InRange(compared, 20, 1000);
    }

    // -fno-plt: the linker turns call *f@GOTPCREL(%rip) into call f, and only then it is a call of a name.
    private static bool Agree(string flags, FunctionCode a, FunctionCode b) => flags.Contains("-fno-plt", StringComparison.Ordinal)
        ? a.Fingerprint.SameShape(b.Fingerprint)
        : a.Fingerprint == b.Fingerprint;

    [Fact]
    public void Functions_of_one_name_are_told_apart()
    {
        using var scratch = new Scratch();
        (_, _, TestElf image) = Build(scratch, "-O2 -fno-PIE", "0x400000");
        List<Fingerprint> prints = [.. image.Functions().Where(f => f.Name == "poll_ready").Select(f => FunctionCode.Decode(f).Fingerprint)];
        Assert.Equal(2, prints.Count);
        Assert.False(prints[0].SameShape(prints[1]));
    }

    [Fact]
    public void Padding_changes_neither_fingerprint_nor_ordinals()
    {
        // je over a store; then the same with nops as the second pass would pad it, and a near jump instead of the short one.
        FunctionCode plain = Code("85ff 7402 8907 c3");
        FunctionCode padded = Code("f30f1efa 85ff 0f8405000000 8907 0f1f00 c3 cc 90 660f1f440000");
        Assert.Equal(plain.Fingerprint, padded.Fingerprint);
        Assert.Equal(plain.Sketch, padded.Sketch);
        Assert.Equal("movl %eax,(%rdi)", plain.Text(plain.ByOrdinal(2)!.Value));
        Assert.Equal("movl %eax,(%rdi)", padded.Text(padded.ByOrdinal(2)!.Value));
        Assert.Equal("je .3", padded.Text(padded.ByOrdinal(1)!.Value));
        Assert.Equal(4, plain.At(4)!.Value.Offset);
        Assert.Null(plain.At(5));
        Assert.Null(plain.ByOrdinal(4));
        Assert.Null(plain.ByOrdinal(-1));
    }

    [Theory]
    [InlineData("85ff 7402 8907 c3", "85ff 7502 8907 c3")] // another condition
    [InlineData("8b4710 c3", "8b4714 c3")] // another field
    [InlineData("8b4710 c3", "8b5710 c3")] // another register
    [InlineData("8b4710 c3", "668b4710 c3")] // another width
    [InlineData("8907 c3", "c3")]
    [InlineData("6a05 c3", "6a06 c3")]
    [InlineData("7400 8907 c3", "7402 8907 c3")] // another place to go
    public void What_differs_has_another_fingerprint(string a, string b) => Assert.False(Code(a).Fingerprint.SameShape(Code(b).Fingerprint));

    [Fact]
    public void Another_call_target_changes_the_lower_half_alone()
    {
        FunctionCode a = Code("e800000000 c3", new CodeReference(1, "kmalloc"));
        FunctionCode b = Code("e800000000 c3", new CodeReference(1, "__kmalloc"));
        FunctionCode unknown = Code("e8aabbcc00 c3");
        Assert.NotEqual(a.Fingerprint, b.Fingerprint);
        Assert.True(a.Fingerprint.SameShape(b.Fingerprint));
        Assert.True(a.Fingerprint.SameShape(unknown.Fingerprint));
        Assert.Equal("callq kmalloc", a.Text(a.ByOrdinal(0)!.Value));
        Assert.Equal("callq ?", unknown.Text(unknown.ByOrdinal(0)!.Value));
    }

    [Fact]
    public void A_fingerprint_is_fixed_for_ever()
    {
        // Stored in lists: if this changes, raise FunctionCode.NormalVersion.
        Assert.Equal("967d55433b6fb8b0", Code("f30f1efa 85ff 7402 8907 e800000000 c3", new CodeReference(11, "kfree")).Fingerprint.ToString());
    }

    [Fact]
    public void Random_bytes_make_a_function()
    {
        var random = new Random(7);
        for (int i = 0; i < 3000; i++)
        {
            byte[] bytes = new byte[random.Next(120)];
            random.NextBytes(bytes);
            FunctionCode code = FunctionCode.Decode(new FunctionBytes
            {
                Name = "f",
                Code = bytes,
                Address = 0xffffffff81000000,
                Bitness = random.Next(2) == 0 ? 32 : 64,
                References = [new(random.Next(120), "g"), new(random.Next(120), null, 0xffffffff81000003)],
                Patched = [new(random.Next(120), random.Next(9), (PatchKind)random.Next(8))],
            });
            Assert.Equal(code.Count, code.Sketch.Elements.Length);
            Assert.Equal(bytes.Length, code.Instructions.ToArray().Sum(x => x.Instruction.IsValid ? x.Instruction.Length : 1));
            foreach (CodeInstruction instruction in code.Instructions)
                Assert.All(code.Text(instruction), c => Assert.True(char.IsAscii(c)));
            _ = code.Fingerprint;
        }
    }

    private static FunctionCode Code(string hex, params CodeReference[] references) => FunctionCode.Decode(new FunctionBytes
    {
        Name = "f",
        Code = Convert.FromHexString(hex.Replace(" ", "", StringComparison.Ordinal)),
        Address = 0x1000,
        Bitness = 64,
        References = references,
    });

    private static (TestElf Device, TestElf Other, TestElf Image) Build(Scratch scratch, string flags, string text)
    {
        string[] words = flags.Split(' ');
        TestElf Compile(string name)
        {
            string source = Path.Combine(AppContext.BaseDirectory, "X86", "sources", $"{name}.c.txt");
            Tool.Run(scratch.Path, "gcc", [.. words, "-w", "-fno-stack-protector", "-x", "c", "-c", source, "-o", $"{name}.o"]);
            return new TestElf(File.ReadAllBytes(scratch.File($"{name}.o")));
        }

        (TestElf device, TestElf other) = (Compile("device"), Compile("other"));
        // Another order than that of the sources, at another place than 0.
        Tool.Run(scratch.Path, "ld", [flags.Contains("-m32", StringComparison.Ordinal) ? "-melf_i386" : "-melf_x86_64", "-static", "-e", "0",
            $"-Ttext-segment={text}", "-o", "image", "other.o", "device.o"]);
        return (device, other, new TestElf(File.ReadAllBytes(scratch.File("image"))));
    }

    // What objtool and the kernel make of the linked code: jump labels and calls of __fentry__ become NOPs, endbr is sealed.
    private static FunctionBytes AsPatched(FunctionBytes function)
    {
        byte[] code = function.Code.ToArray();
        foreach (PatchedRange label in function.Patched)
            Nop(code, label.Offset, code[label.Offset] == 0xeb ? 2 : 5);
        for (int i = 0; i + 5 <= code.Length; i++)
        {
            if (code.AsSpan(i).StartsWith((ReadOnlySpan<byte>)[0xf3, 0x0f, 0x1e, 0xfa]) && function.Patched.Count > 0)
                Nop(code, i, 4);
            ulong target = function.Address + (ulong)(i + 5) + (ulong)BinaryPrimitives.ReadInt32LittleEndian(code.AsSpan(i + 1));
            if (code[i] == 0xe8 && function.NameOf!(target) == "__fentry__")
                Nop(code, i, 5);
        }
        return function with { Code = code };
    }

    private static void Nop(byte[] code, int at, int length) => (length switch
    {
        2 => (ReadOnlySpan<byte>)[0x66, 0x90],
        4 => [0x0f, 0x1f, 0x40, 0x00],
        _ => [0x0f, 0x1f, 0x44, 0x00, 0x00],
    }).CopyTo(code.AsSpan(at));

    private static string Difference(FunctionCode a, FunctionCode b) => string.Join('\n', Enumerable.Range(0, Math.Max(a.Count, b.Count))
        .Select(i => (A: Text(a, i), B: Text(b, i)))
        .Select((pair, i) => pair.A == pair.B ? $"{i}: {pair.A}" : $"{i}: {pair.A}   <>   {pair.B}"));

    private static string Text(FunctionCode code, int ordinal) => code.ByOrdinal(ordinal) is { } instruction ? code.Text(instruction) : "";
}
