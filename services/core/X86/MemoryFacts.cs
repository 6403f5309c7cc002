using Iced.Intel;

namespace Reheat.Core.X86;

/// <summary>How one decoded instruction reaches memory: Iced's operand information, sorted by this project's questions.</summary>
internal readonly record struct MemoryFacts(MemoryShape Shape, MemoryAccess Access, int Size, InstructionTraits Traits)
{
    public static MemoryFacts Of(in Instruction instruction, InstructionInfoFactory factory)
    {
        InstructionTraits traits = Prefixes(instruction) | (IsSimd(instruction) ? InstructionTraits.Simd : 0);
        InstructionInfo info = factory.GetInfo(instruction, InstructionInfoOptions.NoMemoryUsage | InstructionInfoOptions.NoRegisterUsage);
        var operand = MemoryAccess.None;
        var source = MemoryAccess.None;
        var destination = MemoryAccess.None;
        for (int i = 0; i < instruction.OpCount; i++)
        {
            MemoryAccess access = Direction(info.GetOpAccess(i), out bool conditional);
            switch (instruction.GetOpKind(i))
            {
                case OpKind.Memory:
                    operand |= access;
                    break;
                case OpKind.MemorySegSI or OpKind.MemorySegESI or OpKind.MemorySegRSI:
                    source |= access;
                    break;
                case OpKind.MemoryESDI or OpKind.MemoryESEDI or OpKind.MemoryESRDI:
                    destination |= access;
                    break;
                default:
                    continue;
            }
            if (conditional)
                traits |= InstructionTraits.Conditional;
        }

        if (IsImplicit(instruction.Mnemonic))
            return new(MemoryShape.Implicit, MemoryAccess.None, Width(instruction), traits);
        if (operand != MemoryAccess.None)
            return new(MemoryShape.Operand, operand, Width(instruction), traits | OperandTraits(instruction, operand));
        if ((source | destination) != MemoryAccess.None)
        {
            MemoryShape shape = (source, destination) switch
            {
                (_, MemoryAccess.None) => MemoryShape.StringSource,
                (MemoryAccess.None, _) => MemoryShape.StringDestination,
                _ => MemoryShape.StringBoth,
            };
            if (source != MemoryAccess.None)
                traits |= Segment(instruction);
            return new(shape, source | destination, Width(instruction), traits);
        }
        return instruction.IsStackInstruction
            ? new(MemoryShape.Stack, MemoryAccess.None, 0, traits)
            : new(MemoryShape.None, MemoryAccess.None, 0, traits);
    }

    private static int Width(in Instruction instruction)
    {
        MemorySize size = instruction.MemorySize;
        return size.IsBroadcast() ? size.GetElementSize() : size.GetSize();
    }

    private static MemoryAccess Direction(OpAccess access, out bool conditional)
    {
        conditional = access is OpAccess.CondRead or OpAccess.CondWrite or OpAccess.ReadCondWrite;
        return access switch
        {
            OpAccess.Read or OpAccess.CondRead => MemoryAccess.Read,
            OpAccess.Write or OpAccess.CondWrite => MemoryAccess.Write,
            OpAccess.ReadWrite or OpAccess.ReadCondWrite => MemoryAccess.Read | MemoryAccess.Write,
            _ => MemoryAccess.None,
        };
    }

    private static InstructionTraits Prefixes(in Instruction instruction)
    {
        var traits = InstructionTraits.None;
        if (instruction.IsStringInstruction)
        {
            traits |= InstructionTraits.String;
            if (instruction.HasRepPrefix || instruction.HasRepePrefix || instruction.HasRepnePrefix)
                traits |= InstructionTraits.Repeated;
        }
        if (instruction.HasLockPrefix)
            traits |= InstructionTraits.Lock | InstructionTraits.Atomic;
        if (instruction.IsStackInstruction)
            traits |= InstructionTraits.Stack;
        return traits;
    }

    private static InstructionTraits OperandTraits(in Instruction instruction, MemoryAccess operand)
    {
        InstructionTraits traits = Segment(instruction);
        if (instruction.Mnemonic == Mnemonic.Xchg && operand == (MemoryAccess.Read | MemoryAccess.Write))
            traits |= InstructionTraits.Atomic;
        if (instruction.IsIPRelativeMemoryOperand)
            traits |= InstructionTraits.IpRelative;
        if (instruction.Mnemonic is Mnemonic.Bt or Mnemonic.Bts or Mnemonic.Btr or Mnemonic.Btc && instruction.Op1Kind == OpKind.Register)
            traits |= InstructionTraits.BitString;
        return traits;
    }

    private static InstructionTraits Segment(in Instruction instruction) =>
        instruction.MemorySegment is Register.FS or Register.GS ? InstructionTraits.SegmentBase : InstructionTraits.None;

    private static bool IsImplicit(Mnemonic mnemonic) => mnemonic is
        Mnemonic.Xlatb or Mnemonic.Maskmovq or Mnemonic.Maskmovdqu or Mnemonic.Vmaskmovdqu or Mnemonic.Movdir64b or
        Mnemonic.Enqcmd or Mnemonic.Enqcmds or Mnemonic.Monitor or Mnemonic.Monitorx or Mnemonic.Umonitor or Mnemonic.Clzero;

    private static bool IsSimd(in Instruction instruction)
    {
        for (int i = 0; i < instruction.OpCount; i++)
        {
            if (instruction.GetOpKind(i) != OpKind.Register)
                continue;
            Register register = instruction.GetOpRegister(i);
            if (register.IsVectorRegister() || register.IsMM() || register.IsST() || register.IsK() || register.IsTMM())
                return true;
        }
        // Iced counts rsm to them; its state is not ours to refuse.
        if (instruction.IsSaveRestoreInstruction && instruction.OpCount > 0)
            return true;
        // fild, fnstcw, ldmxcsr and their like name no such register.
        foreach (CpuidFeature feature in instruction.CpuidFeatures)
        {
            if (feature is CpuidFeature.FPU or CpuidFeature.FPU287 or CpuidFeature.FPU287XL_ONLY or CpuidFeature.FPU387)
                return true;
        }
        return instruction.Mnemonic is Mnemonic.Ldmxcsr or Mnemonic.Stmxcsr or Mnemonic.Vldmxcsr or Mnemonic.Vstmxcsr or
            Mnemonic.Ldtilecfg or Mnemonic.Sttilecfg;
    }
}
