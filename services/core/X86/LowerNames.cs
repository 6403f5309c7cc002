using Iced.Intel;

namespace Reheat.Core.X86;

/// <summary>Lower-case names of mnemonics and registers, made once each.</summary>
internal static class LowerNames
{
    // Room for all that there are, and more: asking the enumerations takes a millisecond of a short program.
    private static readonly string?[] Names = new string?[1 << 12];

    private static readonly string?[] Registers = new string?[1 << 9];

    // Racing threads write equal strings.
    public static string Of(Mnemonic mnemonic) => Names[(int)mnemonic] ??= mnemonic.ToString().ToLowerInvariant();

    public static string Of(Register register) => Registers[(int)register] ??= register.ToString().ToLowerInvariant();
}
