using Iced.Intel;

namespace Reheat.Core.X86;

/// <summary>
/// Retpolines and return thunks, read as the branches that they stand for: the kernel writes the plain form back at run time where
/// the processor allows, and compilers switch between them.
/// </summary>
internal static class Thunks
{
    private static readonly string[] Indirect =
        ["__x86_indirect_thunk_", "__x86_indirect_call_thunk_", "__x86_indirect_jump_thunk_"];

    /// <summary>True for a name that the normal form gives a meaning of its own.</summary>
    public static bool Is(string name) => name == "__x86_return_thunk" || Indirect.Any(p => name.StartsWith(p, StringComparison.Ordinal));

    /// <summary>The plain branch's text; null if the target is no thunk.</summary>
    public static string? Replace(string target, in Instruction instruction)
    {
        if (!target.StartsWith("__x86_", StringComparison.Ordinal))
            return null;
        // Spelled as InstructionText spells the plain branch.
        string? mnemonic = instruction.Mnemonic switch
        {
            Mnemonic.Call => "callq",
            Mnemonic.Jmp => "jmpq",
            _ => null,
        };
        if (mnemonic is null)
            return null;
        if (target == "__x86_return_thunk")
            return mnemonic == "jmpq" ? "retq" : null;
        foreach (string prefix in Indirect)
        {
            if (target.StartsWith(prefix, StringComparison.Ordinal))
                return $"{mnemonic} *%{target[prefix.Length..]}";
        }
        return null;
    }
}
