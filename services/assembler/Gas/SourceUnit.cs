using System.Text;
using Reheat.Core.Dwarf;

namespace Reheat.Assembler.Gas;

/// <summary>Which compile unit a text is, as a list names it (DW_AT_name, else the file symbol).</summary>
/// <param name="Name">Path or only a file's name; empty if the text does not say.</param>
/// <param name="IsWhole">True if it is the path that debug information has.</param>
internal readonly record struct SourceUnit(string Name, bool IsWhole)
{
    // gcc names the file in its first lines, cpp in its first.
    private const int Head = 64 << 10;

    /// <summary>The last part of the name.</summary>
    public string FileName => Name[(Name.LastIndexOf('/') + 1)..];

    /// <summary>Reads a text's beginning.</summary>
    /// <param name="text">The text.</param>
    /// <param name="input">The file it came from; null for standard input.</param>
    public static SourceUnit Of(ReadOnlySpan<byte> text, string? input)
    {
        ReadOnlySpan<byte> head = text[..Math.Min(text.Length, Head)], whole = text;
        string symbol = "";
        string marker = "";
        while (!head.IsEmpty)
        {
            int end = head.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? head : head[..end];
            head = end < 0 ? [] : head[(end + 1)..];
            line = line.TrimStart(" \t"u8);
            if (line.StartsWith(".file"u8))
            {
                string[] quoted = Quoted(line);
                // DWARF 5: .file 0 "directory" "name"; the file symbol: .file "name".
                if (line[5..].TrimStart(" \t"u8) is [(byte)'0', (byte)' ' or (byte)'\t', ..] && quoted.Length >= 2)
                    return new(SourcePath.Normalise(quoted[1], quoted[0]), true);
                if (quoted.Length == 1 && symbol.Length == 0 && line[5..].TrimStart(" \t"u8) is [(byte)'"', ..])
                    symbol = quoted[0];
            }
            else if (marker.Length == 0 && line is [(byte)'#', (byte)' ', >= (byte)'0' and <= (byte)'9', ..] && Quoted(line) is [var name, ..] && !name.StartsWith('<'))
                marker = name;
        }
        if (symbol.Length > 0 && NumberedFile(whole, symbol[(symbol.LastIndexOf('/') + 1)..]) is { } path)
            return new(path, true);
        if (symbol.Length > 0)
            return new(SourcePath.Normalise(symbol, ""), symbol.Contains('/', StringComparison.Ordinal));
        if (marker.Length > 0)
            return new(SourcePath.Normalise(marker, Directory.GetCurrentDirectory()), true);
        return input is null ? new("", false) : new(Path.GetFileName(input), false);
    }

    // Before DWARF 5 the unit is one of the files that lines are of: the one of the file symbol's name. Null without, or where there are two.
    private static string? NumberedFile(ReadOnlySpan<byte> text, string fileName)
    {
        string? found = null;
        while (text.IndexOf("\t.file"u8) is >= 0 and int at)
        {
            text = text[(at + 6)..];
            int end = text.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = (end < 0 ? text : text[..end]).TrimStart(" \t"u8);
            if (line.IsEmpty || !char.IsAsciiDigit((char)line[0]))
                continue;
            string path = Quoted(line) switch
            {
                [var name] => SourcePath.Normalise(name, Directory.GetCurrentDirectory()),
                [var directory, var name, ..] => SourcePath.Normalise(name, directory),
                _ => "",
            };
            if (Path.GetFileName(path) != fileName)
                continue;
            // Absolute: of a directory that the text does not name (-fdebug-prefix-map).
            if (path[0] == '/' || (found is not null && found != path))
                return null;
            found = path;
        }
        return found;
    }

    private static string[] Quoted(ReadOnlySpan<byte> line)
    {
        var found = new List<string>();
        while (line.IndexOf((byte)'"') is >= 0 and int open)
        {
            line = line[(open + 1)..];
            int close = line.IndexOf((byte)'"');
            if (close < 0)
                break;
            found.Add(Encoding.UTF8.GetString(line[..close]));
            line = line[(close + 1)..];
        }
        return [.. found];
    }
}
