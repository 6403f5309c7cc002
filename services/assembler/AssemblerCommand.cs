namespace Reheat.Assembler;

/// <summary>
/// A command line of <c>as</c>, understood as far as a second pass must: everything else is passed along untouched.
/// </summary>
internal sealed class AssemblerCommand
{
    private readonly List<(string Name, string[] Words)> _others = [];

    /// <summary>The input file; null for standard input.</summary>
    public string? Input { get; private set; }

    /// <summary>Where the object goes.</summary>
    public string Output { get; private set; } = "a.out";

    /// <summary>The file for make's dependencies, if asked for.</summary>
    public string? DependencyFile { get; private set; }

    /// <summary>More than one input file: they are one text for gas, and not for us.</summary>
    public bool HasSeveralInputs { get; private set; }

    /// <summary>Asks for no object (--version, --help), or is wrong: as has the answer.</summary>
    public bool IsQuestion { get; private set; }

    /// <summary>Asks for a listing on standard output.</summary>
    public bool ListsToOutput { get; private set; }

    /// <summary>Asks for more than the object of what the text says: labels that are kept, listings. What is written there shows in these too.</summary>
    public bool ShowsText => _others.Exists(option => option.Name is "L" or "keep-locals" || IsListing(option.Name));

    /// <summary>Gives symbols values that the text does not show.</summary>
    public bool DefinesSymbols => _others.Exists(option => option.Name == "defsym");

    /// <summary>True if a file's name is no UTF-8: what is written of it would name another.</summary>
    public bool HasForeignNames => Words.IsForeign(Input) || Words.IsForeign(Output) || Words.IsForeign(DependencyFile);

    /// <summary>32 or 64, by what was asked for or what <c>as</c> does by itself.</summary>
    public int Bitness { get; private set; } = 64;

    /// <summary>Reads a command line, without the program's name.</summary>
    public static AssemblerCommand Parse(IReadOnlyList<string> words)
    {
        var command = new AssemblerCommand();
        if (ResponseFile.Expand(words) is { } expanded)
            command.Read(expanded);
        else
            command.IsQuestion = true;
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
        foreach ((string name, string[] option) in _others)
        {
            if (!codeOnly || !HasNoPartInCode(name))
                words.AddRange(option);
        }
        words.AddRange(["-o", output, input ?? "-"]);
        return words;
    }

    private void Read(List<string> words)
    {
        var inputs = new List<string>();
        // Behind "--" gas reads nothing at all, not even files.
        for (int i = 0; i < words.Count && words[i] != "--"; i++)
        {
            string word = words[i];
            if (word == "-" || !word.StartsWith('-'))
                inputs.Add(word);
            else if (AssemblerOptions.Long(word) is { } name)
            {
                bool isJoined = word.Contains('=', StringComparison.Ordinal);
                bool takesNext = AssemblerOptions.TakesValue(name) && !isJoined;
                string? value = isJoined ? word[(word.IndexOf('=', StringComparison.Ordinal) + 1)..] : takesNext ? Next(words, ref i) : null;
                Long(name, value);
                _others.Add((name, takesNext ? [word, value!] : [word]));
            }
            else if (word.StartsWith("--", StringComparison.Ordinal))
                _others.Add((word, [word]));
            else
            {
                foreach (string option in AssemblerOptions.Short(word))
                {
                    string? next = AssemblerOptions.TakesNext(option) ? Next(words, ref i) : null;
                    if (option[1] == 'o')
                        Output = next ?? option[2..];
                    else
                        _others.Add((option[1..], next is null ? [option] : [option, next]));
                    ListsToOutput |= IsListing(option[1..]) && !option.Contains('=', StringComparison.Ordinal);
                }
            }
        }
        HasSeveralInputs = inputs.Count > 1;
        Input = inputs is [] or ["-"] ? null : inputs[0];
    }

    // A value that is missing: as says so.
    private string Next(List<string> words, ref int i)
    {
        IsQuestion |= i + 1 == words.Count;
        return ++i < words.Count ? words[i] : "";
    }

    private void Long(string name, string? value)
    {
        if (name is "32" or "64" or "x32")
            Bitness = name == "32" ? 32 : 64;
        else if (name == "MD")
            DependencyFile = value;
        else if (name is "version" or "help" or "target-help" or "dump-config")
            IsQuestion = true;
    }

    private static bool HasNoPartInCode(string name) =>
        name is "MD" or "gen-debug" or "statistics" or "L" or "keep-locals" or "fatal-warnings" ||
        name.StartsWith('g') || name.StartsWith("compress-debug", StringComparison.Ordinal) ||
        IsListing(name);

    private static bool IsListing(string name) =>
        name.StartsWith('a') && name.Skip(1).TakeWhile(c => c != '=').All(c => "cdghlmns".Contains(c, StringComparison.Ordinal));
}
