namespace Reheat.Core.Elf;

/// <summary>Width of an image's addresses (<c>e_ident[EI_CLASS]</c>).</summary>
public enum ElfClass : byte
{
    /// <summary>32-bit headers and addresses.</summary>
    Elf32 = 1,

    /// <summary>64-bit headers and addresses.</summary>
    Elf64 = 2,
}

/// <summary>What kind of object it is (<c>e_type</c>).</summary>
public enum ElfType : ushort
{
    /// <summary>Relocatable: an object file or a kernel module.</summary>
    Relocatable = 1,

    /// <summary>Linked at fixed addresses: a vmlinux.</summary>
    Executable = 2,

    /// <summary>Linked position-independently: a shared object or PIE.</summary>
    Shared = 3,
}

/// <summary>The instruction set (<c>e_machine</c>).</summary>
public enum ElfMachine : ushort
{
    /// <summary>EM_386.</summary>
    I386 = 3,

    /// <summary>EM_X86_64.</summary>
    X64 = 62,
}

/// <summary>Section types (<c>sh_type</c>) that this reader interprets; other values appear as they are.</summary>
public enum ElfSectionType : uint
{
    /// <summary>SHT_NULL: no section.</summary>
    Null = 0,

    /// <summary>SHT_PROGBITS: contents defined by the program.</summary>
    ProgramBits = 1,

    /// <summary>SHT_SYMTAB.</summary>
    SymbolTable = 2,

    /// <summary>SHT_STRTAB.</summary>
    StringTable = 3,

    /// <summary>SHT_RELA: relocations with addends.</summary>
    Rela = 4,

    /// <summary>SHT_NOTE.</summary>
    Note = 7,

    /// <summary>SHT_NOBITS: occupies memory but no bytes of the file.</summary>
    NoBits = 8,

    /// <summary>SHT_REL: relocations whose addends stand in the relocated bytes.</summary>
    Rel = 9,

    /// <summary>SHT_DYNSYM.</summary>
    DynamicSymbols = 11,

    /// <summary>SHT_GROUP.</summary>
    Group = 17,

    /// <summary>SHT_SYMTAB_SHNDX: section indices that do not fit into 16 bits.</summary>
    ExtendedIndices = 18,
}

/// <summary>Section flags (<c>sh_flags</c>).</summary>
[Flags]
public enum ElfSectionFlags : ulong
{
    /// <summary>No flag.</summary>
    None = 0,

    /// <summary>SHF_WRITE.</summary>
    Write = 1,

    /// <summary>SHF_ALLOC: in memory at run time.</summary>
    Allocated = 2,

    /// <summary>SHF_EXECINSTR: machine code.</summary>
    Executable = 4,

    /// <summary>SHF_GROUP: part of a group of sections.</summary>
    Group = 0x200,

    /// <summary>SHF_TLS: the template of thread-local storage; its address overlaps other sections.</summary>
    ThreadLocal = 0x400,

    /// <summary>SHF_COMPRESSED: the contents start with an <c>Elf_Chdr</c>.</summary>
    Compressed = 0x800,
}

/// <summary>Symbol types (low four bits of <c>st_info</c>).</summary>
public enum ElfSymbolType : byte
{
    /// <summary>STT_NOTYPE: a label, as assembly leaves them.</summary>
    None = 0,

    /// <summary>STT_OBJECT: data.</summary>
    Object = 1,

    /// <summary>STT_FUNC.</summary>
    Function = 2,

    /// <summary>STT_SECTION.</summary>
    Section = 3,

    /// <summary>STT_FILE: the source file of the local symbols that follow.</summary>
    File = 4,

    /// <summary>STT_COMMON.</summary>
    Common = 5,

    /// <summary>STT_TLS.</summary>
    ThreadLocal = 6,

    /// <summary>STT_GNU_IFUNC: a resolver of a function.</summary>
    IndirectFunction = 10,
}

/// <summary>Symbol bindings (high four bits of <c>st_info</c>).</summary>
public enum ElfSymbolBinding : byte
{
    /// <summary>STB_LOCAL.</summary>
    Local = 0,

    /// <summary>STB_GLOBAL.</summary>
    Global = 1,

    /// <summary>STB_WEAK.</summary>
    Weak = 2,

    /// <summary>STB_GNU_UNIQUE.</summary>
    Unique = 10,
}
