using System.Globalization;
using System.Text;

namespace Reheat.Core.Annotations;

/// <summary>
/// Names and instructions as one line of ASCII holds them. Everything but graphic ASCII, and the backslash, is written as
/// <c>\xHH</c> of its UTF-8 bytes; half a surrogate pair, which has none, as <c>\uHHHH</c>. The empty name is <c>-</c>.
/// </summary>
internal static class ListText
{
    /// <summary>A word without spaces.</summary>
    public static string Name(string name) => name switch
    {
        "" => "-",
        "-" => @"\x2d",
        _ => Escape(name, spaces: false),
    };

    /// <summary>The rest of a line: spaces stay, but for those at its ends.</summary>
    public static string Line(string text) => Escape(text, spaces: true);

    /// <summary>The name of a word; null if an escape is malformed.</summary>
    public static string? ParseName(string word) => word == "-" ? "" : Unescape(word);

    private static string Escape(string text, bool spaces)
    {
        var result = new StringBuilder(text.Length);
        Span<byte> utf8 = stackalloc byte[4];
        for (int i = 0; i < text.Length;)
        {
            char c = text[i];
            if ((c is > ' ' and < '\x7f' && c != '\\') || (c == ' ' && spaces && i > 0 && i < text.Length - 1))
            {
                result.Append(c);
                i++;
            }
            else if (Rune.TryGetRuneAt(text, i, out Rune rune))
            {
                foreach (byte b in utf8[..rune.EncodeToUtf8(utf8)])
                    result.Append(CultureInfo.InvariantCulture, $"\\x{b:x2}");
                i += rune.Utf16SequenceLength;
            }
            else
            {
                result.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
                i++;
            }
        }
        return result.ToString();
    }

    /// <summary>Undoes both escapes; null if one is malformed or its bytes are no UTF-8.</summary>
    public static string? Unescape(string text)
    {
        if (!text.Contains('\\', StringComparison.Ordinal))
            return text;
        var result = new StringBuilder(text.Length);
        var bytes = new List<byte>();
        for (int i = 0; i < text.Length;)
        {
            if (text[i] == '\\' && i + 1 < text.Length && text[i + 1] == 'x')
            {
                if (!TryHex(text, i + 2, 2, out int value))
                    return null;
                bytes.Add((byte)value);
                i += 4;
                continue;
            }
            if (!Flush(result, bytes))
                return null;
            if (text[i] != '\\')
            {
                result.Append(text[i++]);
                continue;
            }
            if (i + 1 >= text.Length || text[i + 1] != 'u' || !TryHex(text, i + 2, 4, out int unit))
                return null;
            result.Append((char)unit);
            i += 6;
        }
        return Flush(result, bytes) ? result.ToString() : null;
    }

    private static bool TryHex(string text, int start, int digits, out int value)
    {
        value = 0;
        return start + digits <= text.Length &&
            int.TryParse(text.AsSpan(start, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value);
    }

    private static bool Flush(StringBuilder result, List<byte> bytes)
    {
        if (bytes.Count == 0)
            return true;
        ReadOnlySpan<byte> rest = bytes.ToArray();
        while (!rest.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(rest, out Rune rune, out int consumed) != System.Buffers.OperationStatus.Done)
                return false;
            result.Append(rune);
            rest = rest[consumed..];
        }
        bytes.Clear();
        return true;
    }
}
