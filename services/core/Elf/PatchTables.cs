namespace Reheat.Core.Elf;

/// <summary>The sections in which kernels name the places of their code that they patch at run time.</summary>
internal static class PatchTables
{
    /// <summary>True if a section is such a table.</summary>
    public static bool IsTable(ElfSection section)
    {
        return section.NameIs("__jump_table"u8) || section.NameIs(".static_call_sites"u8) || section.NameIs("__mcount_loc"u8)
            || section.NameIs(".altinstructions"u8) || section.NameIs(".smp_locks"u8) || section.NameIs(".parainstructions"u8)
            || section.NameIs(".retpoline_sites"u8) || section.NameIs(".return_sites"u8) || section.NameIs(".ibt_endbr_seal"u8)
            || section.NameIs("__ex_table"u8);
    }
}
