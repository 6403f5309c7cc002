using Iced.Intel;

namespace Reheat.Core.X86;

public readonly partial record struct SiteInstruction
{
    /// <summary>What stands against annotating the instruction's memory access (class 2); <see cref="Refusal.None"/> if nothing does.</summary>
    public Refusal Refusal
    {
        get
        {
            if (!IsValid)
                return Refusal.InvalidInstruction;
            if (IsSensitive)
                return Refusal.ClassOne;
            if (Shape == MemoryShape.None)
                return Refusal.NoMemoryAccess;
            if (Shape == MemoryShape.Stack)
                return Refusal.StackOnly;
            if ((Traits & InstructionTraits.Simd) != 0)
                return Refusal.SimdAccess;
            if (Shape == MemoryShape.Implicit)
                return Refusal.ImplicitAddress;
            if (_instruction.FlowControl is not FlowControl.Next)
                return Refusal.ControlFlow;
            if (_instruction.MemorySize is MemorySize.SegPtr16 or MemorySize.SegPtr32 or MemorySize.SegPtr64)
                return Refusal.FarPointer;
            if ((Traits & InstructionTraits.SegmentBase) != 0)
                return Refusal.SegmentOverride;
            if (Shape == MemoryShape.Operand && _instruction.MemoryBase is Register.RSP or Register.ESP or Register.SP)
                return Refusal.StackRelative;
            return Refusal.None;
        }
    }

    /// <summary>
    /// Whether a trace of this operation and size can come from this instruction and can be annotated (design, invariant 3).
    /// </summary>
    /// <param name="operation">As the wedge reported it. A load or store of a read-modify-write instruction is accepted: a wedge
    /// that sees its halves reports them one by one; see <see cref="Intended"/>.</param>
    /// <param name="size">
    /// Bytes of the access as the wedge saw it; ignored for class 1. It must be <see cref="AccessSize"/>, or 8 where the access is
    /// 16 or more: KVM's emulator (emulator_read_write_onepage, fragments of 8) and QEMU (cmpxchg16b outside parallel mode) report
    /// such an access in parts of 8 bytes. Parts of an access that crosses a page (KVM) have odd sizes and are refused: no
    /// device register and no page-table entry crosses a page, so the trace names the wrong instruction.
    /// </param>
    /// <returns><see cref="Refusal.None"/>, or the first reason against it.</returns>
    public Refusal Check(Operation operation, int size)
    {
        if (operation == Operation.SensitiveInstruction)
            return !IsValid ? Refusal.InvalidInstruction : IsSensitive ? Refusal.None : Refusal.NotSensitive;
        if (Refusal is not Refusal.None and var refusal)
            return refusal;
        bool direction = operation switch
        {
            Operation.DeviceRead or Operation.PageTableRead => Reads,
            Operation.DeviceWrite or Operation.PageTableWrite => Writes,
            Operation.DeviceExchange or Operation.PageTableExchange => IsReadModifyWrite,
            _ => false,
        };
        if (!direction)
            return Refusal.OperationMismatch;
        return size == AccessSize || (size == 8 && AccessSize > 8) ? Refusal.None : Refusal.SizeMismatch;
    }

    /// <summary>True if <see cref="Check"/> finds nothing against it.</summary>
    public bool Allows(Operation operation, int size) => Check(operation, size) == Refusal.None;

    /// <summary>What the instruction intended where a wedge saw only half of it: a load or store by a read-modify-write is an exchange.</summary>
    public Operation Intended(Operation reported) => !IsReadModifyWrite ? reported : reported switch
    {
        Operation.DeviceRead or Operation.DeviceWrite => Operation.DeviceExchange,
        Operation.PageTableRead or Operation.PageTableWrite => Operation.PageTableExchange,
        _ => reported,
    };

    /// <summary>
    /// True if the #VE handler of a TDX guest emulates the access (Linux 6.1: arch/x86/coco/tdx/tdx.c handle_mmio, arch/x86/lib/insn-eval.c
    /// insn_decode_mmio): opcodes 88 89 c6 c7 8a 8b, 0f b6 b7 be bf, in 64-bit code. Operand-size, REX, address-size and segment prefixes
    /// are understood; string moves, moffs forms (a0 to a3) and every read-modify-write are refused, lock with them. AH to DH are taken for the low bytes of
    /// RSP to RDI (insn_get_modrm_reg_ptr knows no high bytes): decoded, but not rightly.
    /// </summary>
    public bool TdxDecodable => _bitness == 64 && Shape == MemoryShape.Operand && !IsHighByte(_instruction.Op0Register) && !IsHighByte(_instruction.Op1Register) && _instruction.Code is
        Code.Mov_rm8_r8 or Code.Mov_rm16_r16 or Code.Mov_rm32_r32 or Code.Mov_rm64_r64 or
        Code.Mov_rm8_imm8 or Code.Mov_rm16_imm16 or Code.Mov_rm32_imm32 or Code.Mov_rm64_imm32 or
        Code.Mov_r8_rm8 or Code.Mov_r16_rm16 or Code.Mov_r32_rm32 or Code.Mov_r64_rm64 or
        Code.Movzx_r16_rm8 or Code.Movzx_r32_rm8 or Code.Movzx_r64_rm8 or
        Code.Movzx_r16_rm16 or Code.Movzx_r32_rm16 or Code.Movzx_r64_rm16 or
        Code.Movsx_r16_rm8 or Code.Movsx_r32_rm8 or Code.Movsx_r64_rm8 or
        Code.Movsx_r16_rm16 or Code.Movsx_r32_rm16 or Code.Movsx_r64_rm16;

    private static bool IsHighByte(Register register) => register is Register.AH or Register.CH or Register.DH or Register.BH;

    /// <summary>
    /// True if the #VC handler of an SEV-ES or SEV-SNP guest emulates the access (Linux 6.1: arch/x86/kernel/sev.c vc_handle_mmio): what TDX takes, as both
    /// ask insn_decode_mmio, and movs, repeated or not, which it splits into a load and a store (vc_handle_mmio_movs) and of which it overlooks %fs and %gs.
    /// </summary>
    public bool SevDecodable => TdxDecodable || (_bitness == 64 && (Traits & InstructionTraits.SegmentBase) == 0 && _instruction.Code is
        Code.Movsb_m8_m8 or Code.Movsw_m16_m16 or Code.Movsd_m32_m32 or Code.Movsq_m64_m64);
}
