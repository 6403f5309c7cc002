namespace Reheat.Assembler;

/// <summary>
/// A command line of <c>as</c>, understood as far as a second pass must: everything else is passed along untouched.
/// </summary>
internal sealed class AssemblerCommand
{
    // Options of gas 2.40 (as --help) that take the next word. It reads long options with one dash as well.
    private static readonly string[] Separate =
        ["defsym", "debug-prefix-map", "MD", "itbl", "listing-lhs-width", "listing-lhs-width2", "listing-rhs-width", "listing-cont-lines",
         "sectname-subst", "hash-size", "reduce-memory-overheads"];

    private readonly List<string> _others = [];

    /// <summary>The words as given, without the program's name.</summary>
    public required IReadOnlyList<string> Original { get; init; }

    /// <summary>The input file; null for standard input.</summary>
    public string? Input { get; private set; }

    /// <summary>Where the object goes.</summary>
    public string Output { get; private set; } = "a.out";

    /// <summary>The file for make's dependencies, if asked for.</summary>
    public string? DependencyFile { get; private set; }

    /// <summary>More than one input file: they are one text for gas, and not for us.</summary>
    public bool HasSeveralInputs { get; private set; }

    /// <summary>Asks for no object: --version, --help.</summary>
    public bool IsQuestion { get; private set; }

    /// <summary>Asks for a listing on standard output.</summary>
    public bool ListsToOutput { get; private set; }

    /// <summary>32 or 64, by what was asked for or what <c>as</c> does by itself.</summary>
    public int Bitness { get; private set; } = 64;

    /// <summary>Reads a command line.</summary>
    public static AssemblerCommand Parse(IReadOnlyList<string> words)
    {
        var command = new AssemblerCommand { Original = words };
        var inputs = new List<string>();
        List<string> expanded = Expand(words);
        bool onlyFiles = false;
        for (int i = 0; i < expanded.Count; i++)
        {
            string word = expanded[i];
            string next = i + 1 < expanded.Count ? expanded[i + 1] : "";
            if (onlyFiles || word == "-" || !word.StartsWith('-'))
            {
                inputs.Add(word);
                continue;
            }
            string name = word.TrimStart('-');
            if (word == "--")
                onlyFiles = true;
            else if (name is "o" && !word.StartsWith("--", StringComparison.Ordinal))
                (command.Output, i) = (next, i + 1);
            else if (word.StartsWith("-o", StringComparison.Ordinal) && word.Length > 2)
                command.Output = word[2..];
            else if (name is "MD")
            {
                (command.DependencyFile, i) = (next, i + 1);
                command._others.AddRange([word, next]);
            }
            else if (name is "I" or "t" or "G" || Array.IndexOf(Separate, name) >= 0)
            {
                command._others.AddRange([word, next]);
                i++;
            }
            else
            {
                command.Option(name);
                command._others.Add(word);
            }
        }
        command.HasSeveralInputs = inputs.Count > 1;
        command.Input = inputs is [] or ["-"] ? null : inputs[0];
        return command;
    }

    /// <summary>The words for another input and output, with <c>as</c> first.</summary>
    /// <param name="assembler">What it calls itself.</param>
    /// <param name="input">A path; null for standard input.</param>
    /// <param name="output">A path.</param>
    /// <param name="codeOnly">Without what has no part in the code: debug information, listings, dependencies.</param>
    public List<string> With(string assembler, string? input, string output, bool codeOnly)
    {
        List<string> words = [assembler];
        for (int i = 0; i < _others.Count; i++)
        {
            string name = _others[i].TrimStart('-');
            if (codeOnly && name is "MD")
                i++;
            else if (!codeOnly || !HasNoPartInCode(name))
                words.Add(_others[i]);
        }
        words.AddRange(["-o", output, input ?? "-"]);
        return words;
    }

    private static bool HasNoPartInCode(string name) =>
        name is "g" or "gen-debug" or "statistics" or "K" or "L" or "keep-locals" or "fatal-warnings" ||
        name.StartsWith("gdwarf", StringComparison.Ordinal) || name.StartsWith("gstabs", StringComparison.Ordinal) ||
        name.StartsWith("MD=", StringComparison.Ordinal) || name.StartsWith("compress-debug", StringComparison.Ordinal) ||
        IsListing(name);

    private static bool IsListing(string name) =>
        name.StartsWith('a') && (name.Length == 1 || name[1] is '=' || name[1..].Split('=')[0].All(c => "cdghlmns".Contains(c, StringComparison.Ordinal)));

    private void Option(string name)
    {
        if (name is "32" or "x32")
            Bitness = name == "32" ? 32 : 64;
        else if (name == "64")
            Bitness = 64;
        else if (name.StartsWith("MD=", StringComparison.Ordinal))
            DependencyFile = name[3..];
        else if (IsListing(name))
            ListsToOutput |= !name.Contains('=', StringComparison.Ordinal);
        else if (name is "version" or "help" or "target-help" or "V")
            IsQuestion |= name != "V";
    }

    // libiberty's expandargv: words by white space, quotes and backslashes as in a shell; a file that cannot be read stays a word.
    private static List<string> Expand(IReadOnlyList<string> words)
    {
        var result = new List<string>();
        foreach (string word in words)
        {
            if (word.StartsWith('@') && result.Count < 10_000 && TryRead(word[1..]) is { } text)
                result.AddRange(Expand(ResponseFile.Split(text)));
            else
                result.Add(word);
        }
        return result;
    }

    private static string? TryRead(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return null; // as in libiberty: then it is a file's name
        }
    }
}
