using Iced.Intel;

namespace Reheat.Core.X86;

/// <summary>
/// One x86 instruction with all that a site needs to know of it. Made from bytes and never an exception: bytes that are no
/// instruction give a value whose <see cref="IsValid"/> is false. Bytes after the instruction are ignored.
/// </summary>
public readonly partial record struct SiteInstruction
{
    private readonly Instruction _instruction;
    private readonly MemoryFacts _memory;
    private readonly bool _wantsMore;
    private readonly byte _bitness;

    private SiteInstruction(in Instruction instruction, in MemoryFacts memory, int bitness, bool wantsMore)
    {
        (_instruction, _memory, _bitness, _wantsMore) = (instruction, memory, (byte)bitness, wantsMore);
        Sensitive = instruction.IsInvalid ? null : SensitiveInstruction.Of(instruction);
    }

    /// <summary>Decodes the first instruction.</summary>
    /// <param name="bytes">Code; at most 15 bytes are looked at.</param>
    /// <param name="ip">The address that the code runs at, for what it addresses relative to itself.</param>
    /// <param name="bitness">16, 32 or 64.</param>
    /// <exception cref="ArgumentOutOfRangeException">Another bitness; nothing else is ever thrown.</exception>
    public static SiteInstruction Decode(ReadOnlySpan<byte> bytes, ulong ip, int bitness) => Decode(bytes, ip, bitness, out _);

    /// <summary>As the other, and tells where in the bytes displacement and immediates stand.</summary>
    internal static SiteInstruction Decode(ReadOnlySpan<byte> bytes, ulong ip, int bitness, out ConstantOffsets constants)
    {
        InstructionDecoder decoder = InstructionDecoder.Current;
        Instruction instruction = decoder.Decode(bytes, ip, bitness, out constants, out DecoderError error);
        MemoryFacts memory = instruction.IsInvalid ? default : MemoryFacts.Of(instruction, decoder.Information);
        return new SiteInstruction(instruction, memory, bitness, error == DecoderError.NoMoreBytes);
    }

    /// <summary>Iced's view, for whatever is not answered here.</summary>
    public Instruction Decoded => _instruction;

    /// <summary>False if the bytes are no instruction, or end in the middle of one.</summary>
    public bool IsValid => !_instruction.IsInvalid;

    /// <summary>True if the bytes ended before the instruction did.</summary>
    public bool IsTruncated => _wantsMore;

    /// <summary>The mode that the bytes were decoded for: 16, 32 or 64.</summary>
    public int Bitness => _bitness;

    /// <summary>Bytes, 1 to 15; for an invalid instruction those that were looked at.</summary>
    public int Length => _instruction.Length;

    /// <summary>The mnemonic in lower case as Intel's manuals spell it (<c>mov</c>, not <c>movl</c>); <c>(bad)</c> if invalid.</summary>
    public string Mnemonic => IsValid ? LowerNames.Of(_instruction.Mnemonic) : "(bad)";

    /// <summary>Through which operand memory is reached. The implicit use of the stack beside an operand is a trait, not a shape.</summary>
    public MemoryShape Shape => _memory.Shape;

    /// <summary>Directions of the access through <see cref="Shape"/>'s operands; implicit stack accesses are not in it.</summary>
    public MemoryAccess Access => _memory.Access;

    /// <summary>Bytes that one access of the operand covers; per element for string instructions; 0 without access.</summary>
    public int AccessSize => _memory.Size;

    /// <summary>Prefixes and quirks.</summary>
    public InstructionTraits Traits => _memory.Traits;

    /// <summary>True if an explicit or string operand is accessed.</summary>
    public bool AccessesMemory => _memory.Access != MemoryAccess.None;

    /// <summary>True if an explicit or string operand is loaded.</summary>
    public bool Reads => (_memory.Access & MemoryAccess.Read) != 0;

    /// <summary>True if an explicit or string operand is stored.</summary>
    public bool Writes => (_memory.Access & MemoryAccess.Write) != 0;

    /// <summary>
    /// True if one operand is loaded and stored again (xchg, cmpxchg, add to memory, bts …). movs is none: it loads one operand
    /// and stores another.
    /// </summary>
    public bool IsReadModifyWrite => Shape == MemoryShape.Operand && Reads && Writes;

    /// <summary>True for movs, cmps, scas, lods, stos, ins, outs.</summary>
    public bool IsString => (Traits & InstructionTraits.String) != 0;

    /// <summary>True for a string instruction with a rep, repe or repne prefix.</summary>
    public bool IsRepeated => (Traits & InstructionTraits.Repeated) != 0;

    /// <summary>True if a lock prefix is present.</summary>
    public bool HasLock => (Traits & InstructionTraits.Lock) != 0;

    /// <summary>The class-1 entry, or null.</summary>
    public SensitiveInstruction? Sensitive { get; }

    /// <summary>True for a class-1 instruction.</summary>
    public bool IsSensitive => Sensitive is not null;

    /// <summary>NOP bytes that Afterburner's in-line rewriting wants after this class-1 instruction; 0 for others.</summary>
    public int SensitivePadding => Sensitive?.Padding(_bitness) ?? 0;
}
