using Iced.Intel;

namespace Reheat.Core.X86;

/// <summary>
/// Forms that the linker turns into one another (x86-64 psABI, appendix B: GOTPCRELX and thread-local relaxation), which a
/// fingerprint must not tell apart: <c>mov sym@GOTPCREL(%rip),%reg</c>, <c>lea sym(%rip),%reg</c>, <c>mov $sym,%reg</c>; <c>call *sym@GOTPCREL(%rip)</c>, <c>addr32 call sym</c>. Met in
/// position-independent code: user space and the kernel's startup code. Texts of single instructions keep the difference: the
/// load is a site, the others are none.
/// </summary>
internal static class LinkRelaxation
{
    /// <summary>The common form, or null if the instruction is none of them.</summary>
    /// <param name="instruction">The instruction.</param>
    /// <param name="text">Its normalised text, names of targets left out.</param>
    public static string? CommonForm(in Instruction instruction, string text)
    {
        if (instruction.Code is Code.Call_rel32_64 && text.EndsWith('?'))
            return "callq ?";
        if (instruction.Code is Code.Call_rm64 or Code.Jmp_rm64 && instruction.IsIPRelativeMemoryOperand)
            return instruction.Code == Code.Call_rm64 ? "callq ?" : "jmp ?";
        bool relaxed = instruction.Code switch
        {
            Code.Mov_r64_rm64 or Code.Lea_r64_m => instruction.IsIPRelativeMemoryOperand && !instruction.HasSegmentPrefix,
            Code.Mov_rm64_imm32 => instruction.Op0Kind == OpKind.Register,
            _ => false,
        };
        return relaxed ? $"movq sym,%{LowerNames.Of(instruction.Op0Register)}" : null;
    }
}
