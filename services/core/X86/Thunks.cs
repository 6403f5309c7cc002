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

    /// <summary>The plain branch's text; null if the target is no thunk.</summary>
    public static string? Replace(string target, in Instruction instruction)
    {
        if (!target.StartsWith("__x86_", StringComparison.Ordinal))
            return null;
        string mnemonic = instruction.Mnemonic == Mnemonic.Call ? "call" : instruction.Mnemonic == Mnemonic.Jmp ? "jmp" : "";
        if (mnemonic.Length == 0)
            return null;
        if (target == "__x86_return_thunk")
            return mnemonic == "jmp" ? "ret" : null;
        foreach (string prefix in Indirect)
        {
            if (target.StartsWith(prefix, StringComparison.Ordinal))
                return $"{mnemonic} *%{target[prefix.Length..]}";
        }
        return null;
    }
}
