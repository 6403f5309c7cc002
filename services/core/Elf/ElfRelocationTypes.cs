namespace Reheat.Core.Elf;

/// <summary>
/// Relocation types: psABI x86-64 (table "Relocation Types") and i386. What assembly and debug sections of kernels use has constants.
/// </summary>
public static class ElfRelocationTypes
{
    /// <summary>R_X86_64_64: S + A, 8 bytes.</summary>
    public const uint X64Absolute64 = 1;

    /// <summary>R_X86_64_PC32: S + A − P, 4 bytes.</summary>
    public const uint X64Relative32 = 2;

    /// <summary>R_X86_64_PLT32: calls and jumps; like PC32 in a kernel.</summary>
    public const uint X64Plt32 = 4;

    /// <summary>R_X86_64_32: S + A, zero-extended from 4 bytes.</summary>
    public const uint X64Absolute32 = 10;

    /// <summary>R_X86_64_32S: S + A, sign-extended from 4 bytes.</summary>
    public const uint X64AbsoluteSigned32 = 11;

    /// <summary>R_X86_64_PC64: S + A − P, 8 bytes.</summary>
    public const uint X64Relative64 = 24;

    /// <summary>R_386_32: S + A, 4 bytes.</summary>
    public const uint I386Absolute32 = 1;

    /// <summary>R_386_PC32: S + A − P, 4 bytes.</summary>
    public const uint I386Relative32 = 2;

    /// <summary>R_386_PLT32: calls and jumps; like PC32 in a kernel.</summary>
    public const uint I386Plt32 = 4;

    private static readonly string[] X64Names =
    [
        "NONE", "64", "PC32", "GOT32", "PLT32", "COPY", "GLOB_DAT", "JUMP_SLOT", "RELATIVE", "GOTPCREL", "32", "32S", "16", "PC16",
        "8", "PC8", "DTPMOD64", "DTPOFF64", "TPOFF64", "TLSGD", "TLSLD", "DTPOFF32", "GOTTPOFF", "TPOFF32", "PC64", "GOTOFF64",
        "GOTPC32", "GOT64", "GOTPCREL64", "GOTPC64", "GOTPLT64", "PLTOFF64", "SIZE32", "SIZE64", "GOTPC32_TLSDESC", "TLSDESC_CALL",
        "TLSDESC", "IRELATIVE", "RELATIVE64", "PC32_BND", "PLT32_BND", "GOTPCRELX", "REX_GOTPCRELX",
    ];

    private static readonly string[] I386Names =
    [
        "NONE", "32", "PC32", "GOT32", "PLT32", "COPY", "GLOB_DAT", "JUMP_SLOT", "RELATIVE", "GOTOFF", "GOTPC", "32PLT", "", "",
        "TLS_TPOFF", "TLS_IE", "TLS_GOTIE", "TLS_LE", "TLS_GD", "TLS_LDM", "16", "PC16", "8", "PC8", "TLS_GD_32", "TLS_GD_PUSH",
        "TLS_GD_CALL", "TLS_GD_POP", "TLS_LDM_32", "TLS_LDM_PUSH", "TLS_LDM_CALL", "TLS_LDM_POP", "TLS_LDO_32", "TLS_IE_32",
        "TLS_LE_32", "TLS_DTPMOD32", "TLS_DTPOFF32", "TLS_TPOFF32", "SIZE32", "TLS_GOTDESC", "TLS_DESC_CALL", "TLS_DESC",
        "IRELATIVE", "GOT32X",
    ];

    /// <summary>The psABI's name, such as <c>R_X86_64_PC32</c>; the prefix with the number for an unknown type.</summary>
    public static string Name(ElfMachine machine, uint type)
    {
        (string prefix, string[] names) = machine == ElfMachine.X64 ? ("R_X86_64_", X64Names) : ("R_386_", I386Names);
        return type < (uint)names.Length && names[type].Length > 0 ? prefix + names[type] : $"{prefix}{type}";
    }

    /// <summary>Bytes that a type relocates, as far as this reader applies it or reads its implicit addend; 0 otherwise.</summary>
    internal static int Width(ElfMachine machine, uint type) => machine == ElfMachine.X64
        ? type switch
        {
            1 or 17 or 18 or 24 or 33 => 8,
            2 or 4 or 9 or 10 or 11 or 21 or 23 or 32 or 41 or 42 => 4,
            12 or 13 => 2,
            14 or 15 => 1,
            _ => 0,
        }
        : type switch
        {
            20 or 21 => 2,
            22 or 23 => 1,
            0 or 5 => 0,
            _ => 4,
        };

    /// <summary>True for S + A − P.</summary>
    internal static bool IsRelative(ElfMachine machine, uint type) => machine == ElfMachine.X64
        ? type is X64Relative32 or X64Plt32 or X64Relative64 or 13 or 15
        : type is I386Relative32 or I386Plt32 or 21 or 23;

    /// <summary>True if the value is relative to the place that holds it, through a table of the linker or not: what operands relative to the instruction have.</summary>
    public static bool IsFromPlace(ElfMachine machine, uint type) =>
        IsRelative(machine, type) || (machine == ElfMachine.X64 ? type is 9 or 19 or 20 or 22 or 26 or 41 or 42 : type is 10);

    /// <summary>True for the types that <see cref="ElfImage.RelocatedBytes"/> applies: S + A and S + A − P, and thread-local offsets.</summary>
    internal static bool IsApplied(ElfMachine machine, uint type) => machine == ElfMachine.X64
        ? type is 1 or 2 or 4 or 10 or 11 or 12 or 13 or 14 or 15 or 17 or 21 or 24
        : type is 1 or 2 or 4 or 20 or 21 or 22 or 23 or 32;
}
