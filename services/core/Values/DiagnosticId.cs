namespace Reheat.Core;

/// <summary>The kinds of bad input, grouped by hundreds. Values and names are stable.</summary>
public enum DiagnosticId
{
    /// <summary>The file does not begin with the ELF magic.</summary>
    ElfNotElf = 100,

    /// <summary>A header, table or section reaches past the end of the file.</summary>
    ElfTruncated = 101,

    /// <summary>A header field has a value that the format does not allow or this reader does not support.</summary>
    ElfBadHeader = 102,

    /// <summary>A section's header contradicts itself or another.</summary>
    ElfBadSection = 103,

    /// <summary>A symbol names a section or string that does not exist.</summary>
    ElfBadSymbol = 104,

    /// <summary>A note is malformed.</summary>
    ElfBadNote = 105,

    /// <summary>A relocation is malformed or of an unknown type.</summary>
    ElfBadRelocation = 106,

    /// <summary>The image carries no GNU build-id.</summary>
    ElfNoBuildId = 107,

    /// <summary>The machine is neither x86-64 nor i386.</summary>
    ElfUnsupportedMachine = 108,

    /// <summary>DWARF that ends in the middle of a unit.</summary>
    DwarfTruncated = 200,

    /// <summary>DWARF of a version or form that this reader does not know.</summary>
    DwarfUnsupported = 201,

    /// <summary>DWARF whose fields contradict each other.</summary>
    DwarfMalformed = 202,

    /// <summary>The file is no ring.</summary>
    RingNotARing = 300,

    /// <summary>A ring of another format version.</summary>
    RingVersion = 301,

    /// <summary>A ring whose header contradicts itself.</summary>
    RingBadHeader = 302,

    /// <summary>A record whose sequence number is not that of its position.</summary>
    RingCorruptRecord = 303,

    /// <summary>A record with an operation that this version does not know.</summary>
    RingUnknownOperation = 304,

    /// <summary>A record with a size, flag, target or other field that the ring's contract does not allow.</summary>
    RingBadRecord = 310,

    /// <summary>A record that continues an execution which no record began.</summary>
    RingBadContinuation = 311,

    /// <summary>A ring's counters that contradict each other or its records.</summary>
    RingBadCounters = 312,

    /// <summary>A ring whose producer is gone and has not closed it.</summary>
    RingNotClosed = 313,

    /// <summary>Bytes of a ring's header that have no meaning and are not 0.</summary>
    RingNotZero = 314,

    /// <summary>A file of a session whose blocks are not reserved on disk.</summary>
    SessionSparseFile = 320,

    /// <summary>A session without <c>wedge.info</c>, or without rings.</summary>
    SessionIncomplete = 321,

    /// <summary>A line of <c>wedge.info</c> that cannot be read, stands twice or is missing.</summary>
    SessionBadInfo = 322,

    /// <summary>A file in a session directory whose name is not that of what it holds, or that was left half made.</summary>
    SessionBadName = 323,

    /// <summary>Files of one session that name different epochs.</summary>
    SessionEpochs = 324,

    /// <summary>A code file that is missing or whose header makes no sense.</summary>
    CodeBadFile = 330,

    /// <summary>An entry of a code file that is no instruction, or repeats the one before.</summary>
    CodeBadEntry = 331,

    /// <summary>A recorded instruction whose bytes the code file does not have.</summary>
    CodeMissing = 332,

    /// <summary>A recorded access that the bytes of its instruction do not make.</summary>
    CodeOtherAccess = 333,

    /// <summary>An annotation list that is not of this format or version.</summary>
    ListFormat = 400,

    /// <summary>A line of an annotation list that cannot be read.</summary>
    ListBadLine = 401,

    /// <summary>A site stands twice in an annotation list.</summary>
    ListDuplicate = 402,

    /// <summary>A memory map that cannot be read.</summary>
    MemoryMapMalformed = 500,

    /// <summary>A section of annotation records whose size or name makes no sense.</summary>
    RecordBadSection = 600,

    /// <summary>An annotation record whose end is not shortly after its start, or that overlaps another.</summary>
    RecordBadRange = 601,

    /// <summary>An annotation record of a place that is no code.</summary>
    RecordOutsideCode = 602,

    /// <summary>An annotation record that begins with no instruction.</summary>
    RecordNotAnInstruction = 603,

    /// <summary>A site of the self-test whose jump leads to no access.</summary>
    RecordNoThunk = 604,

    /// <summary>Annotation records of code that the linker threw away.</summary>
    RecordDiscarded = 605,

    /// <summary>A place stands in two annotation records that contradict or repeat each other.</summary>
    RecordDuplicate = 606,

    /// <summary>A line of a second pass's report that cannot be read.</summary>
    ReportBadLine = 700,
}
