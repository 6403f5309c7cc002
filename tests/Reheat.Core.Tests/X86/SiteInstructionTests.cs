using Iced.Intel;
using Reheat.Core.X86;
using Xunit;

namespace Reheat.Core.Tests.X86;

public sealed class SiteInstructionTests
{
    [Theory]
    [InlineData(16)]
    [InlineData(32)]
    [InlineData(64)]
    public void Random_bytes_give_a_value(int bitness)
    {
        var random = new Random(20240607);
        Span<byte> bytes = stackalloc byte[20];
        for (int i = 0; i < 300_000; i++)
        {
            random.NextBytes(bytes);
            ReadOnlySpan<byte> code = bytes[..random.Next(bytes.Length + 1)];
            SiteInstruction instruction = SiteInstruction.Decode(code, (ulong)random.NextInt64(), bitness);
            Assert.InRange(instruction.Length, 0, 15);
            if (instruction.Refusal == Refusal.None)
            {
                Assert.True(instruction.AccessesMemory, Convert.ToHexString(code));
                Assert.True(instruction.AccessSize is 1 or 2 or 4 or 8 or 16 or 32 or 64, $"{Convert.ToHexString(code)} {instruction.AccessSize}");
                Assert.True(instruction.Allows(instruction.Reads ? Operation.DeviceRead : Operation.DeviceWrite, instruction.AccessSize));
            }
            _ = instruction.Mnemonic;
        }
    }

    [Fact]
    public void No_bytes_are_a_truncated_instruction()
    {
        SiteInstruction none = SiteInstruction.Decode([], 0, 64);
        Assert.False(none.IsValid);
        Assert.True(none.IsTruncated);
        Assert.Equal("(bad)", none.Mnemonic);
        Assert.False(SiteInstruction.Decode([0x06, 0, 0, 0], 0, 64).IsTruncated); // push %es
        Assert.Throws<ArgumentOutOfRangeException>(() => SiteInstruction.Decode([0x90], 0, 8));
    }

    [Fact]
    public void Default_is_no_instruction()
    {
        SiteInstruction none = default;
        Assert.False(none.IsValid);
        Assert.Equal(Refusal.InvalidInstruction, none.Refusal);
        Assert.False(none.Allows(Operation.DeviceRead, 4));
    }

    [Fact]
    public void A_wide_access_may_come_in_parts_of_eight()
    {
        SiteInstruction exchange = SiteInstruction.Decode([0xf0, 0x48, 0x0f, 0xc7, 0x0f], 0, 64); // lock cmpxchg16b (%rdi)
        Assert.True(exchange.Allows(Operation.DeviceExchange, 16));
        Assert.True(exchange.Allows(Operation.DeviceExchange, 8));
        Assert.Equal(Refusal.SizeMismatch, exchange.Check(Operation.DeviceExchange, 4));
    }

    [Fact]
    public void Halves_of_an_exchange_are_intended_as_exchange()
    {
        SiteInstruction xchg = SiteInstruction.Decode([0x48, 0x87, 0x07], 0, 64);
        Assert.Equal(Operation.DeviceExchange, xchg.Intended(Operation.DeviceRead));
        Assert.Equal(Operation.PageTableExchange, xchg.Intended(Operation.PageTableWrite));
        SiteInstruction movs = SiteInstruction.Decode([0xf3, 0xa5], 0, 64);
        Assert.Equal(Operation.DeviceRead, movs.Intended(Operation.DeviceRead));
        Assert.Equal(Refusal.OperationMismatch, movs.Check(Operation.DeviceExchange, 4));
    }

    /// <summary>
    /// Class 1 is complete: whatever Iced calls privileged is in the table, or belongs to an extension that a guest kernel
    /// drives through exits of its own (nested virtualization, enclaves, secure modes).
    /// </summary>
    [Fact]
    public void Every_privileged_instruction_is_of_class_1_or_left_out_on_purpose()
    {
        string[] leftOut =
        [
            "VMX", "SVM", "SKINIT_or_SVM", "SEV_SNP", "RMPQUERY", "TDX", "TSE", // nested guests, confidential guests' own calls
            "SGX1", "OSS", "PCONFIG", "KL", "CET_SS", "XSAVES", "ENQCMD",       // enclaves, keys, shadow stacks, state components
            "SMAP",                                                             // clac, stac: not sensitive
            "HRESET", "UDBG", "CL1INVMB", "INTEL286_ONLY", "INTEL386_ONLY",
            "CYRIX_SHR", "CYRIX_SMINT", "CYRIX_SMINT_0F7E", "CYRIX_DMI", "CYRIX_SMM", "CYRIX_DDI",
        ];
        var missing = new List<string>();
        foreach (Code code in Enum.GetValues<Code>())
        {
            if (!code.IsPrivileged())
                continue;
            Instruction instruction = default;
            instruction.Code = code;
            SetOperands(ref instruction);
            if (SensitiveInstruction.Of(instruction) is null && !code.CpuidFeatures().Any(f => leftOut.Contains(f.ToString())))
                missing.Add($"{code} ({string.Join(' ', code.CpuidFeatures())})");
        }
        Assert.True(missing.Count == 0, string.Join(", ", missing));
    }

    private static void SetOperands(ref Instruction instruction)
    {
        OpCodeInfo opCode = instruction.Code.ToOpCode();
        for (int i = 0; i < opCode.OpCount; i++)
        {
            Register? register = opCode.GetOpKind(i) switch
            {
                OpCodeOperandKind.cr_reg => Register.CR3,
                OpCodeOperandKind.dr_reg => Register.DR7,
                OpCodeOperandKind.tr_reg => Register.TR6,
                _ => null,
            };
            if (register is { } r)
            {
                instruction.SetOpKind(i, OpKind.Register);
                instruction.SetOpRegister(i, r);
            }
        }
    }

    [Fact]
    public void Refusals_have_distinct_names_and_a_text()
    {
        Refusal[] all = Enum.GetValues<Refusal>();
        Assert.Equal(all.Length, all.Select(r => r.Name()).Distinct().Count());
        Assert.All(all, r => Assert.Matches("^[a-z]+(-[a-z]+)*$", r.Name()));
        Assert.All(all, r => Assert.NotEqual(((Refusal)255).Text(), r.Text()));
        Assert.Equal("refusal-255", ((Refusal)255).Name());
    }
}
