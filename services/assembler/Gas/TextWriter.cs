using System.Buffers.Text;
using System.Text;

namespace Reheat.Assembler.Gas;

/// <summary>Assembly text as bytes, growing.</summary>
internal sealed class TextWriter(int capacity)
{
    private byte[] _bytes = GC.AllocateUninitializedArray<byte>(Math.Max(capacity, 256));
    private int _length;

    public void Append(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Room(bytes.Length));

    public void Append(string text) => Encoding.UTF8.GetBytes(text, Room(Encoding.UTF8.GetByteCount(text)));

    /// <summary><c>prefix7: </c></summary>
    public void Label(string prefix, int number)
    {
        Append(prefix);
        Number(number);
        Append(": "u8);
    }

    /// <summary><c>.quad prefix7</c> and the line's end.</summary>
    public void Reference(string word, string prefix, int number)
    {
        Append(word);
        Append(" "u8);
        Append(prefix);
        Number(number);
        Append("\n"u8);
    }

    public ReadOnlySpan<byte> Written => _bytes.AsSpan(0, _length);

    private void Number(int number)
    {
        Span<byte> digits = stackalloc byte[12];
        _ = Utf8Formatter.TryFormat(number, digits, out int written);
        Append(digits[..written]);
    }

    private Span<byte> Room(int count)
    {
        if (_length + count > _bytes.Length)
            Array.Resize(ref _bytes, Math.Max(_bytes.Length * 2, _length + count));
        Span<byte> room = _bytes.AsSpan(_length, count);
        _length += count;
        return room;
    }
}
