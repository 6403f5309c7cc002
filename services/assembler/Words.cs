using System.Buffers;
using System.Text;

namespace Reheat.Assembler;

/// <summary>
/// Words of a command line, byte for byte: file names need not be UTF-8. A byte that is no part of UTF-8 stands in a string as a lone
/// surrogate, U+DC00 plus the byte, which no decoded text contains otherwise.
/// </summary>
internal static class Words
{
    private const char Escape = '\udc00';

    /// <summary>This program's arguments without its name; null if they cannot be told.</summary>
    /// <param name="decoded">As the runtime read them: with U+FFFD where a byte was no UTF-8, and exact without.</param>
    public static IReadOnlyList<string>? Own(string[] decoded)
    {
        if (!decoded.Any(word => word.Contains('\ufffd', StringComparison.Ordinal)))
            return decoded;
        try
        {
            string[] words = [.. Split(File.ReadAllBytes("/proc/self/cmdline"))];
            return words.Length == decoded.Length + 1 ? words[1..] : null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return null; // no /proc
        }
    }

    /// <summary>True if there are bytes in it that are no UTF-8.</summary>
    public static bool IsForeign(string? word) => word is not null && !word.IsUtf16();

    /// <summary>The string for any bytes.</summary>
    public static string Decode(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(bytes.Length);
        Span<char> characters = stackalloc char[2];
        while (!bytes.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(bytes, out Rune rune, out int length) == OperationStatus.Done)
                text.Append(characters[..rune.EncodeToUtf16(characters)]);
            else
            {
                length = 1;
                text.Append((char)(Escape + bytes[0]));
            }
            bytes = bytes[length..];
        }
        return text.ToString();
    }

    /// <summary>The bytes that <see cref="Decode"/> made a string of.</summary>
    public static byte[] Encode(string text)
    {
        if (!IsForeign(text))
            return Encoding.UTF8.GetBytes(text);
        var bytes = new List<byte>(text.Length);
        Span<byte> encoded = stackalloc byte[4];
        for (int i = 0; i < text.Length;)
        {
            if (Rune.TryGetRuneAt(text, i, out Rune rune))
            {
                bytes.AddRange(encoded[..rune.EncodeToUtf8(encoded)]);
                i += rune.Utf16SequenceLength;
            }
            else
                bytes.Add((byte)(text[i++] - Escape));
        }
        return [.. bytes];
    }

    private static bool IsUtf16(this string text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
                i++;
            else if (char.IsSurrogate(text[i]))
                return false;
        }
        return true;
    }

    private static IEnumerable<string> Split(byte[] text)
    {
        for (int start = 0; start < text.Length;)
        {
            int end = Array.IndexOf(text, (byte)0, start);
            end = end < 0 ? text.Length : end;
            yield return Decode(text.AsSpan(start, end - start));
            start = end + 1;
        }
    }
}
