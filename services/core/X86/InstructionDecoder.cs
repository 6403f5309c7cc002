using Iced.Intel;

namespace Reheat.Core.X86;

/// <summary>
/// The thread's decoders and scratch space. Iced's decoder wants a reader object; making both anew costs more than decoding one
/// instruction, and a span cannot be kept, so the bytes are copied (15 at most).
/// </summary>
internal sealed class InstructionDecoder
{
    /// <summary>The longest instruction, in bytes (SDM volume 2, 2.3.11).</summary>
    public const int MaxLength = 15;

    [ThreadStatic]
    private static InstructionDecoder? _current;

    private readonly Reader _reader = new();
    private readonly Decoder?[] _decoders = new Decoder?[3];

    public static InstructionDecoder Current => _current ??= new InstructionDecoder();

    public InstructionInfoFactory Information { get; } = new();

    public Instruction Decode(ReadOnlySpan<byte> bytes, ulong ip, int bitness, out ConstantOffsets constants, out DecoderError error)
    {
        int index = bitness switch
        {
            16 => 0,
            32 => 1,
            64 => 2,
            _ => throw new ArgumentOutOfRangeException(nameof(bitness), bitness, "bitness: expected 16, 32 or 64"),
        };
        Decoder decoder = _decoders[index] ??= Decoder.Create(bitness, _reader);
        _reader.Load(bytes[..Math.Min(bytes.Length, MaxLength)]);
        decoder.IP = ip;
        decoder.Decode(out Instruction instruction);
        error = decoder.LastError;
        constants = decoder.GetConstantOffsets(instruction);
        return instruction;
    }

    private sealed class Reader : CodeReader
    {
        private readonly byte[] _bytes = new byte[MaxLength];
        private int _length;
        private int _position;

        public void Load(ReadOnlySpan<byte> bytes)
        {
            bytes.CopyTo(_bytes);
            (_length, _position) = (bytes.Length, 0);
        }

        public override int ReadByte() => _position < _length ? _bytes[_position++] : -1;
    }
}
