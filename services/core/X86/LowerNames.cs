using Iced.Intel;

namespace Reheat.Core.X86;

/// <summary>Lower-case names of mnemonics and registers, made once each.</summary>
internal static class LowerNames
{
    private static readonly string?[] Names = new string?[(int)Enum.GetValues<Mnemonic>()[^1] + 1];

    private static readonly string?[] Registers = new string?[(int)Enum.GetValues<Register>()[^1] + 1];

    // Racing threads write equal strings.
    public static string Of(Mnemonic mnemonic) => Names[(int)mnemonic] ??= mnemonic.ToString().ToLowerInvariant();

    public static string Of(Register register) => Registers[(int)register] ??= register.ToString().ToLowerInvariant();
}
