using Iced.Intel;

namespace Reheat.Core.X86;

/// <summary>Instructions that fingerprints and ordinals pass over, because padding, objtool, the link or the kernel adds and removes them.</summary>
public static class Uncounted
{
    /// <summary>
    /// NOPs of every length; endbr (sealed to NOPs where nothing jumps there); int3 (padding after ret and jmp); and the two old forms
    /// of NOP that gas pads i386 code with, <c>lea 0(%esi),%esi</c> and <c>mov %esi,%esi</c>.
    /// </summary>
    /// <param name="instruction">The instruction.</param>
    /// <param name="bitness">Its mode.</param>
    /// <param name="relocated">True if its displacement is relocated: <c>lea table(%rdi),%rdi</c> reads 0 in an object, and is none.</param>
    public static bool Is(in Instruction instruction, int bitness, bool relocated) => instruction.Mnemonic switch
    {
        Mnemonic.Nop or Mnemonic.Endbr32 or Mnemonic.Endbr64 or Mnemonic.Int3 or Mnemonic.Reservednop or Mnemonic.Fnop => true,
        Mnemonic.Lea => !relocated && IsEmptyLea(instruction),
        Mnemonic.Mov => bitness == 32 && instruction.Code is Code.Mov_rm32_r32 or Code.Mov_r32_rm32 && IsOntoItself(instruction),
        Mnemonic.Xchg => instruction.Op0Kind == OpKind.Register && instruction.Op0Register == Register.AX && instruction.Op1Register == Register.AX,
        _ => false,
    };

    private static bool IsOntoItself(in Instruction instruction) =>
        instruction.Op0Kind == OpKind.Register && instruction.Op1Kind == OpKind.Register && instruction.Op0Register == instruction.Op1Register;

    private static bool IsEmptyLea(in Instruction instruction) =>
        instruction.MemoryBase == instruction.Op0Register && instruction.MemoryIndex == Register.None && instruction.MemoryDisplacement64 == 0 &&
        instruction.SegmentPrefix is Register.None or Register.CS or Register.DS;
}
