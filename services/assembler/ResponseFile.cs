using System.Text;

namespace Reheat.Assembler;

/// <summary>Words of @files, by the rules of libiberty's expandargv and buildargv.</summary>
internal static class ResponseFile
{
    // libiberty stops there as well: files may name each other, and themselves.
    private const int MostFiles = 2000;

    /// <summary>The words with those of all @files in their places; null if there are too many, which the real program says.</summary>
    public static List<string>? Expand(IReadOnlyList<string> words)
    {
        var result = new List<string>();
        int left = MostFiles;
        return Expand(words, result, ref left) ? result : null;
    }

    private static bool Expand(IReadOnlyList<string> words, List<string> result, ref int left)
    {
        foreach (string word in words)
        {
            if (!word.StartsWith('@') || TryRead(word[1..]) is not { } text)
                result.Add(word);
            else if (--left < 0 || !Expand(Split(text), result, ref left))
                return false;
        }
        return true;
    }

    private static string? TryRead(string path)
    {
        try
        {
            return Words.Decode(File.ReadAllBytes(path));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null; // as in libiberty: then it is a file's name
        }
    }

    private static List<string> Split(string text)
    {
        var words = new List<string>();
        var word = new StringBuilder();
        bool inWord = false;
        char quote = '\0';
        for (int i = 0; i < text.Length && text[i] != '\0'; i++)
        {
            char c = text[i];
            if (quote == '\0' && c is ' ' or (>= '\t' and <= '\r'))
            {
                if (inWord)
                    words.Add(word.ToString());
                word.Clear();
                inWord = false;
                continue;
            }
            inWord = true;
            if (c == '\\')
            {
                if (i + 1 < text.Length)
                    word.Append(text[++i]);
            }
            else if (quote != '\0' && c == quote)
                quote = '\0';
            else if (quote == '\0' && c is '\'' or '"')
                quote = c;
            else
                word.Append(c);
        }
        if (inWord)
            words.Add(word.ToString());
        return words;
    }
}
