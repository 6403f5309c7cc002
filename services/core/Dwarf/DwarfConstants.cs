namespace Reheat.Core.Dwarf;

/// <summary>Unit types (DWARF 5, 7.5.1).</summary>
internal static class UnitType
{
    public const byte Compile = 1;
    public const byte Type = 2;
    public const byte Partial = 3;
    public const byte Skeleton = 4;
    public const byte SplitCompile = 5;
    public const byte SplitType = 6;
}

/// <summary>Tags of top-level entries (DWARF 5, 7.5.3).</summary>
internal static class Tag
{
    public const ulong CompileUnit = 0x11;
    public const ulong SkeletonUnit = 0x4a;
}

/// <summary>Attributes of top-level entries (DWARF 5, 7.5.4), and GNU's of split DWARF 4.</summary>
internal static class At
{
    public const ulong Name = 0x03;
    public const ulong StatementList = 0x10;
    public const ulong LowPc = 0x11;
    public const ulong HighPc = 0x12;
    public const ulong CompilationDirectory = 0x1b;
    public const ulong Ranges = 0x55;
    public const ulong StringOffsetsBase = 0x72;
    public const ulong AddressBase = 0x73;
    public const ulong RangeListsBase = 0x74;
    public const ulong GnuRangesBase = 0x2132;
    public const ulong GnuAddressBase = 0x2133;
}

/// <summary>Forms (DWARF 5, 7.5.6), and GNU's.</summary>
internal static class Form
{
    public const ulong Address = 0x01;
    public const ulong Block2 = 0x03;
    public const ulong Block4 = 0x04;
    public const ulong Data2 = 0x05;
    public const ulong Data4 = 0x06;
    public const ulong Data8 = 0x07;
    public const ulong String = 0x08;
    public const ulong Block = 0x09;
    public const ulong Block1 = 0x0a;
    public const ulong Data1 = 0x0b;
    public const ulong Flag = 0x0c;
    public const ulong SignedData = 0x0d;
    public const ulong StringPointer = 0x0e;
    public const ulong UnsignedData = 0x0f;
    public const ulong ReferenceAddress = 0x10;
    public const ulong Reference1 = 0x11;
    public const ulong Reference2 = 0x12;
    public const ulong Reference4 = 0x13;
    public const ulong Reference8 = 0x14;
    public const ulong ReferenceUnsigned = 0x15;
    public const ulong Indirect = 0x16;
    public const ulong SectionOffset = 0x17;
    public const ulong Expression = 0x18;
    public const ulong FlagPresent = 0x19;
    public const ulong StringIndex = 0x1a;
    public const ulong AddressIndex = 0x1b;
    public const ulong SupplementaryReference4 = 0x1c;
    public const ulong SupplementaryString = 0x1d;
    public const ulong Data16 = 0x1e;
    public const ulong LineStringPointer = 0x1f;
    public const ulong ReferenceSignature = 0x20;
    public const ulong ImplicitConstant = 0x21;
    public const ulong LocationListIndex = 0x22;
    public const ulong RangeListIndex = 0x23;
    public const ulong SupplementaryReference8 = 0x24;
    public const ulong StringIndex1 = 0x25;
    public const ulong StringIndex2 = 0x26;
    public const ulong StringIndex3 = 0x27;
    public const ulong StringIndex4 = 0x28;
    public const ulong AddressIndex1 = 0x29;
    public const ulong AddressIndex2 = 0x2a;
    public const ulong AddressIndex3 = 0x2b;
    public const ulong AddressIndex4 = 0x2c;
    public const ulong GnuAddressIndex = 0x1f01;
    public const ulong GnuStringIndex = 0x1f02;
    public const ulong GnuAlternateReference = 0x1f20;
    public const ulong GnuAlternateString = 0x1f21;
}

/// <summary>Entries of range lists (DWARF 5, 7.25).</summary>
internal static class RangeEntry
{
    public const byte End = 0;
    public const byte BaseAddressIndex = 1;
    public const byte StartIndexEndIndex = 2;
    public const byte StartIndexLength = 3;
    public const byte OffsetPair = 4;
    public const byte BaseAddress = 5;
    public const byte StartEnd = 6;
    public const byte StartLength = 7;
}
