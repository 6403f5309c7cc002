namespace Reheat.Core.Elf;

/// <summary>
/// One shape of a table's entries. Pointers are either <c>s32</c> relative to their own position or absolute and as wide as an
/// address; the first one names the code.
/// </summary>
/// <param name="Stride">Bytes of an entry; negative: that many address sizes.</param>
/// <param name="IsRelative">Kind of pointers.</param>
/// <param name="SecondPointer">Offset of the second pointer into code, 0 if there is none.</param>
/// <param name="LengthField">Offset of the byte with the length of the code, 0 if the entry does not tell it.</param>
internal readonly record struct PatchLayout(int Stride, bool IsRelative, int SecondPointer = 0, int LengthField = 0);

/// <summary>A table of places that a kernel patches: by section name, or between two symbols where the linker merged it away.</summary>
internal sealed record PatchTable(PatchKinds Kind, string Section, string First, string End, params PatchLayout[] Layouts);

/// <summary>
/// The tables of Linux, from 4.x to 6.12 (<c>arch/x86/include/asm/{alternative,jump_label,paravirt_types,extable}.h</c>,
/// <c>include/asm-generic/vmlinux.lds.h</c>).
/// </summary>
internal static class PatchTables
{
    private static readonly PatchLayout OneRelative = new(4, IsRelative: true);

    public static readonly PatchTable[] All =
    [
        // struct jump_entry: relative {code, target, key} since 4.20, three addresses before.
        new(
            PatchKinds.JumpLabel, "__jump_table", "__start___jump_table", "__stop___jump_table",
            new PatchLayout(0, IsRelative: true, SecondPointer: 4), new PatchLayout(-3, IsRelative: false)),
        new(
            PatchKinds.StaticCall, ".static_call_sites", "__start_static_call_sites", "__stop_static_call_sites",
            new PatchLayout(8, IsRelative: true)),
        new(PatchKinds.Mcount, "__mcount_loc", "__start_mcount_loc", "__stop_mcount_loc", new PatchLayout(-1, IsRelative: false)),
        // struct alt_instr: {instr, repl, u16 cpuid, u8 length, u8 replacement length}; one padding length more before 5.10;
        // 32 bits of feature and flags since 6.3.
        new(
            PatchKinds.Alternative, ".altinstructions", "__alt_instructions", "__alt_instructions_end",
            new PatchLayout(12, IsRelative: true, SecondPointer: 4, LengthField: 10),
            new PatchLayout(13, IsRelative: true, SecondPointer: 4, LengthField: 10),
            new PatchLayout(14, IsRelative: true, SecondPointer: 4, LengthField: 12)),
        new(PatchKinds.SmpLock, ".smp_locks", "__smp_locks", "__smp_locks_end", OneRelative),
        // struct paravirt_patch_site: {u8 *instr; u8 type; u8 length}, padded to an address.
        new(
            PatchKinds.Paravirt, ".parainstructions", "__parainstructions", "__parainstructions_end",
            new PatchLayout(-2, IsRelative: false, LengthField: -1)),
        new(PatchKinds.Retpoline, ".retpoline_sites", "__retpoline_sites", "__retpoline_sites_end", OneRelative),
        new(PatchKinds.Return, ".return_sites", "__return_sites", "__return_sites_end", OneRelative),
        new(PatchKinds.Endbr, ".ibt_endbr_seal", "__ibt_endbr_seal", "__ibt_endbr_seal_end", OneRelative),
        // struct exception_table_entry: {insn, fixup, type or handler}; two words before 4.6.
        new(
            PatchKinds.ExceptionSite, "__ex_table", "__start___ex_table", "__stop___ex_table",
            new PatchLayout(12, IsRelative: true, SecondPointer: 4), new PatchLayout(8, IsRelative: true, SecondPointer: 4)),
    ];

    /// <summary>True if a section is such a table.</summary>
    public static bool IsTable(ElfSection section)
    {
        foreach (PatchTable table in All)
        {
            if (section.Name == table.Section)
                return true;
        }
        return false;
    }
}
