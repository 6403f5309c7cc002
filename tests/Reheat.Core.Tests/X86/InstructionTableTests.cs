using System.Globalization;
using Reheat.Core.X86;
using Xunit;

namespace Reheat.Core.Tests.X86;

/// <summary>Every line of instructions.txt.</summary>
public sealed class InstructionTableTests
{
    private static readonly (InstructionTraits Trait, string Word)[] Words =
    [
        (InstructionTraits.Atomic, "atomic"), (InstructionTraits.Lock, "lock"), (InstructionTraits.BitString, "bits"),
        (InstructionTraits.Simd, "simd"), (InstructionTraits.Stack, "stack"), (InstructionTraits.String, "string"),
        (InstructionTraits.Repeated, "rep"), (InstructionTraits.Conditional, "cond"), (InstructionTraits.SegmentBase, "segment"),
        (InstructionTraits.IpRelative, "rip"),
    ];

    public static TheoryData<int, int, string, string, string, string> Cases()
    {
        var data = new TheoryData<int, int, string, string, string, string>();
        foreach ((int line, string[] c) in TextTable.Read("X86/instructions.txt", 5))
            data.Add(line, int.Parse(c[0], CultureInfo.InvariantCulture), c[1], c[2], c[3], c[4]);
        return data;
    }

    [Theory, MemberData(nameof(Cases))]
    public void Instruction_is_classified(int line, int bitness, string hex, string gas, string facts, string verdict)
    {
        byte[] bytes = Convert.FromHexString(hex);
        SiteInstruction instruction = SiteInstruction.Decode(bytes, 0x1000, bitness);

        Assert.True(verdict == Verdict(instruction), $"line {line} {gas}: {Verdict(instruction)}, expected {verdict}");
        string expected = string.Join(' ', facts.Split(' ', StringSplitOptions.RemoveEmptyEntries).Order(StringComparer.Ordinal));
        Assert.True(expected == Facts(instruction), $"line {line} {gas}: {Facts(instruction)}, expected {expected}");
        Assert.Equal(verdict != "invalid-instruction", instruction.IsValid);
        if (instruction.IsValid)
            Assert.Equal(bytes.Length, instruction.Length);
    }

    [Theory, MemberData(nameof(Cases))]
    public void Allowed_operations_follow_from_direction_and_size(int line, int bitness, string hex, string gas, string facts, string verdict)
    {
        SiteInstruction instruction = SiteInstruction.Decode(Convert.FromHexString(hex), 0x1000, bitness);
        string[] words = facts.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        bool annotatable = verdict == "none";
        bool reads = annotatable && words[1].Contains('r', StringComparison.Ordinal);
        bool writes = annotatable && words[1].Contains('w', StringComparison.Ordinal);
        bool exchanges = reads && writes && words[0] == "operand";
        int size = instruction.AccessSize;
        string place = $"line {line} {gas}";

        Assert.True(reads == instruction.Allows(Operation.DeviceRead, size), place);
        Assert.True(writes == instruction.Allows(Operation.DeviceWrite, size), place);
        Assert.True(exchanges == instruction.Allows(Operation.DeviceExchange, size), place);
        Assert.True(reads == instruction.Allows(Operation.PageTableRead, size), place);
        Assert.True(writes == instruction.Allows(Operation.PageTableWrite, size), place);
        Assert.True(exchanges == instruction.Allows(Operation.PageTableExchange, size), place);
        Assert.True(instruction.IsSensitive == instruction.Allows(Operation.SensitiveInstruction, 0), place);
        Assert.False(instruction.Allows((Operation)99, size), place);
        if (annotatable && size != 16)
            Assert.Equal(Refusal.SizeMismatch, instruction.Check(reads ? Operation.DeviceRead : Operation.DeviceWrite, size * 2));
    }

    private static string Verdict(in SiteInstruction instruction) =>
        instruction.Sensitive is { } sensitive ? $"{sensitive.Family} {instruction.SensitivePadding}" : instruction.Refusal.Name();

    private static string Facts(in SiteInstruction instruction)
    {
        var words = new List<string>
        {
            instruction.Shape switch
            {
                MemoryShape.StringSource => "string-source",
                MemoryShape.StringDestination => "string-destination",
                MemoryShape.StringBoth => "string-both",
                MemoryShape shape => shape.ToString().ToLowerInvariant(),
            },
            instruction.AccessesMemory ? (instruction.Reads ? "r" : "") + (instruction.Writes ? "w" : "") : "-",
            instruction.AccessSize.ToString(CultureInfo.InvariantCulture),
        };
        foreach ((InstructionTraits trait, string word) in Words)
        {
            if ((instruction.Traits & trait) != 0)
                words.Add(word);
        }
        if (instruction.TdxDecodable)
            words.Add("tdx");
        else if (instruction.SevDecodable)
            words.Add("sev");
        return string.Join(' ', words.Order(StringComparer.Ordinal));
    }
}
