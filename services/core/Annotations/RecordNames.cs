using System.Text;

namespace Reheat.Core.Annotations;

/// <summary>
/// Names of the sections that records travel in. Objects carry them under names that begin with <c>.debug</c>, as objtool and modpost pass
/// over such; the final link gives them Afterburner's.
/// </summary>
public static class RecordNames
{
    /// <summary>Class 1 in an object; of a target in an object with <c>.TARGET</c> behind.</summary>
    public const string InObject = ".debug_afterburn";

    /// <summary>Class 1 in a linked image; of a target with <c>.TARGET</c> behind.</summary>
    public const string Linked = ".afterburn";

    /// <summary>Counters of policy selftest in an object.</summary>
    public const string SelfTestInObject = ".debug_afterburn_selftest";

    /// <summary>Counters of policy selftest in a linked image.</summary>
    public const string SelfTestLinked = ".afterburn_selftest";

    /// <summary>A target as part of a section's name: what assemblers and linker scripts take without quotes, anything else is <c>_</c>.</summary>
    public static string Suffix(string target)
    {
        var name = new StringBuilder(target.Length);
        foreach (char c in target)
            name.Append(char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '.' ? c : '_');
        return name.Length == 0 ? "_" : name.ToString();
    }

    /// <summary>
    /// The targets that a written list names, as parts of sections' names, sorted. A look at the text alone, as every link asks for it;
    /// lines that cannot be read are passed over: whoever annotates by the list reports them.
    /// </summary>
    public static IReadOnlyList<string> Targets(ReadOnlySpan<byte> list)
    {
        var targets = new SortedSet<string>(StringComparer.Ordinal);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (Range range in Lines(list))
        {
            ReadOnlySpan<byte> line = list[range];
            if (line.IsEmpty || line[0] is not ((byte)' ' or (byte)'\t'))
                continue;
            int bar = line.IndexOf(" | "u8);
            ReadOnlySpan<byte> words = bar < 0 ? line : line[..bar];
            foreach (Range word in Words(words))
            {
                ReadOnlySpan<byte> token = words[word];
                int first = token.IndexOf((byte)':');
                int second = first < 0 ? -1 : token[(first + 1)..].IndexOf((byte)':');
                if (second < 0 || first + second + 2 == token.Length)
                    continue;
                string target = Encoding.UTF8.GetString(token[(first + second + 2)..]);
                if (seen.Add(target) && ListText.ParseName(target) is { } name)
                    targets.Add(Suffix(name));
            }
        }
        return [.. targets];
    }

    private static List<Range> Lines(ReadOnlySpan<byte> text) => Split(text, "\n"u8);

    private static List<Range> Words(ReadOnlySpan<byte> line) => Split(line, " \t\r"u8);

    private static List<Range> Split(ReadOnlySpan<byte> text, ReadOnlySpan<byte> separators)
    {
        var parts = new List<Range>();
        for (int at = 0; at < text.Length;)
        {
            int length = text[at..].IndexOfAny(separators);
            if (length < 0)
                length = text.Length - at;
            if (length > 0)
                parts.Add(at..(at + length));
            at += length + 1;
        }
        return parts;
    }
}
