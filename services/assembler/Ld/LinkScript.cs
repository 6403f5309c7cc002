using System.Text.RegularExpressions;

namespace Reheat.Assembler.Ld;

/// <summary>What a linker script of the build says, as far as ours has to fit beside it.</summary>
internal sealed partial class LinkScript
{
    // The linker's own limit.
    private const int MostNested = 10;

    private LinkScript(string text)
    {
        int depth = 0;
        bool names = false;
        foreach (Match match in Token().Matches(Comment().Replace(text, " ")))
        {
            string token = match.Value.Trim('"');
            if (depth == 0)
            {
                HasSections |= token == "SECTIONS";
                IsInsert |= token == "INSERT";
            }
            // An output section is named outside of all others' braces, and has braces of its own: not so an input pattern or SIZEOF.
            if (token is "{" or "}" or ";")
            {
                HasAnchor |= names && depth == 1 && token == "{";
                depth += token switch { "{" => 1, "}" => -1, _ => 0 };
                names = false;
            }
            else
                names |= token.TrimEnd(':') == Fragment.Anchor;
        }
    }

    /// <summary>It adds to another script, and takes the place of none.</summary>
    public bool IsInsert { get; }

    /// <summary>It lays out sections.</summary>
    public bool HasSections { get; }

    /// <summary>It makes the output section that ours can follow.</summary>
    public bool HasAnchor { get; }

    /// <summary>Reads one from where the linker would; null if it is in none of these places, or can be read only once, or what it includes is so.</summary>
    public static LinkScript? Find(string name, IReadOnlyList<string> directories) =>
        Read(name, directories, MostNested) is { } text ? new LinkScript(text) : null;

    private static string? Read(string name, IReadOnlyList<string> directories, int depth)
    {
        string? path = directories.Select(directory => Path.Combine(directory, name)).Prepend(name).FirstOrDefault(File.Exists);
        if (path is null || depth == 0 || Native.IsReadOnce(path))
            return null;
        string text = Comment().Replace(File.ReadAllText(path), " ");
        bool isWhole = true;
        text = Include().Replace(text, include =>
        {
            string? part = Read(include.Groups[1].Value.Trim('"'), directories, depth - 1);
            isWhole &= part is not null;
            return part ?? "";
        });
        return isWhole ? text : null;
    }

    [GeneratedRegex(@"/\*.*?\*/", RegexOptions.Singleline)]
    private static partial Regex Comment();

    [GeneratedRegex(@"\bINCLUDE\s+(""[^""]*""|[^\s;]+)\s*;?")]
    private static partial Regex Include();

    [GeneratedRegex(@"""[^""]*""|[{};]|[^\s{};""]+")]
    private static partial Regex Token();
}
