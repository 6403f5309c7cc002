using Iced.Intel;

namespace Reheat.Core.X86;

/// <summary>Lower-case mnemonic names, made once each.</summary>
internal static class MnemonicNames
{
    private static readonly string?[] Names = new string?[(int)Enum.GetValues<Mnemonic>()[^1] + 1];

    // Racing threads write equal strings.
    public static string Of(Mnemonic mnemonic) => Names[(int)mnemonic] ??= mnemonic.ToString().ToLowerInvariant();
}
