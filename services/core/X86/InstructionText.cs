using Iced.Intel;

namespace Reheat.Core.X86;

/// <summary>
/// Writes an instruction in the spelling of the GNU assembler (AT&amp;T), which kernel engineers read in <c>objdump</c>, without
/// whatever the link decides: addresses and relocated fields read <c>sym</c>. One per thread.
/// </summary>
/// <remarks>
/// Which numbers are addresses must come out the same in an object and in the image linked from it, where relocations are gone. So it
/// is decided by the field, on both sides alike, and a relocation only adds to it:
/// <list type="bullet">
/// <item>%rip-relative and absolute operands, and 32-bit displacements beside a segment override (per-CPU data): always;</item>
/// <item>a 32-bit displacement outside ±4 KiB, or one that would have fitted 8 bits (gas never widens a constant, only a symbol);</item>
/// <item>a 32 or 64-bit immediate outside ±4 KiB: image addresses and per-CPU offsets are, nearly all constants that tell functions
/// apart are not.</item>
/// </list>
/// </remarks>
internal sealed class InstructionText : ISymbolResolver
{
    private const long SmallConstant = 0x1000;
    private const string Symbol = "sym";

    [ThreadStatic]
    private static InstructionText? _current;

    private readonly GasFormatter _formatter;
    private readonly StringOutput _output = new();
    private bool _displacement;
    private bool _immediate;
    private string? _branch;

    private InstructionText()
    {
        _formatter = new GasFormatter(new FormatterOptions
        {
            GasShowMnemonicSizeSuffix = true,
            RipRelativeAddresses = true,
            SignedImmediateOperands = true,
            SignedMemoryDisplacements = true,
            ShowBranchSize = false,
            HexPrefix = "0x",
            UppercaseHex = false,
            SmallHexNumbersInDecimal = true,
            BranchLeadingZeros = false,
            DisplacementLeadingZeros = false,
        }, this);
    }

    public static InstructionText Current => _current ??= new InstructionText();

    /// <summary>The text; <paramref name="branch"/> stands for a direct branch's target.</summary>
    public string Format(in Instruction instruction, in ConstantOffsets constants, bool displacementRelocated, bool immediateRelocated, string? branch)
    {
        if (instruction.IsInvalid)
            return "(bad)";
        _displacement = displacementRelocated || IsAddressDisplacement(instruction, constants);
        _immediate = immediateRelocated || IsAddressImmediate(instruction, constants);
        _branch = branch;
        // Port and vector numbers are read unsigned.
        _formatter.Options.SignedImmediateOperands = instruction.Mnemonic is not (Mnemonic.In or Mnemonic.Out or Mnemonic.Int);
        _formatter.Format(instruction, _output);
        return _output.ToStringAndReset();
    }

    bool ISymbolResolver.TryGetSymbol(in Instruction instruction, int operand, int instructionOperand, ulong address, int addressSize, out SymbolResult symbol)
    {
        symbol = default;
        if (instructionOperand < 0)
            return false;
        string? text = instruction.GetOpKind(instructionOperand) switch
        {
            OpKind.NearBranch16 or OpKind.NearBranch32 or OpKind.NearBranch64 => _branch,
            OpKind.FarBranch16 or OpKind.FarBranch32 => Symbol,
            OpKind.Memory => _displacement ? Symbol : null,
            _ => _immediate ? Symbol : null,
        };
        if (text is null)
            return false;
        symbol = new SymbolResult(address, text);
        return true;
    }

    private static bool IsAddressDisplacement(in Instruction instruction, in ConstantOffsets constants)
    {
        if (!constants.HasDisplacement || constants.DisplacementSize < 4)
            return false;
        if (instruction.IsIPRelativeMemoryOperand || instruction.MemoryBase == Register.None || instruction.HasSegmentPrefix)
            return true;
        long value = instruction.MemoryDisplSize == 8 ? (long)instruction.MemoryDisplacement64 : (int)instruction.MemoryDisplacement32;
        return value is <= -SmallConstant or >= SmallConstant or (>= sbyte.MinValue and <= sbyte.MaxValue);
    }

    private static bool IsAddressImmediate(in Instruction instruction, in ConstantOffsets constants)
    {
        if (!constants.HasImmediate || constants.ImmediateSize < 4)
            return false;
        for (int i = 0; i < instruction.OpCount; i++)
        {
            long value;
            switch (instruction.GetOpKind(i))
            {
                case OpKind.Immediate32 or OpKind.Immediate32to64:
                    value = (int)instruction.Immediate32;
                    break;
                case OpKind.Immediate64:
                    value = (long)instruction.Immediate64;
                    break;
                default:
                    continue;
            }
            return value is <= -SmallConstant or >= SmallConstant;
        }
        return false;
    }
}
