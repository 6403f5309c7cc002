namespace Reheat.Assembler.Ld;

/// <summary>What a linker's command line says of the link, as far as it decides whether records get their final names.</summary>
internal sealed class LinkCommand
{
    // Response files may name others; the linker itself stops at 2000.
    private const int MostNested = 16;

    /// <summary><c>-r</c>: the output is an object again.</summary>
    public bool IsRelocatable { get; private set; }

    /// <summary>Asks the linker of itself (<c>--version</c>, <c>--verbose</c>); it may link nevertheless.</summary>
    public bool Asks { get; private set; }

    /// <summary><c>-o</c>; null if not given.</summary>
    public string? Output { get; private set; }

    /// <summary>The build's own linker script (<c>-T</c>), the first; null without.</summary>
    public string? Script { get; private set; }

    /// <summary>
    /// True for a link that makes an image: a program, a library, a kernel, or a module, which is one although it is relocatable.
    /// </summary>
    public bool IsFinal => (Output is not null || !Asks) && (!IsRelocatable || (Output?.EndsWith(".ko", StringComparison.Ordinal) ?? false));

    /// <summary>Reads the arguments behind the program's name.</summary>
    public static LinkCommand Parse(IReadOnlyList<string> arguments)
    {
        var command = new LinkCommand();
        command.Read(arguments, 0);
        return command;
    }

    private void Read(IReadOnlyList<string> arguments, int depth)
    {
        for (int i = 0; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            string? next = i + 1 < arguments.Count ? arguments[i + 1] : null;
            if (argument is ['@', ..] && depth < MostNested && File.Exists(argument[1..]))
                Read(ResponseFile.Split(File.ReadAllText(argument[1..])), depth + 1);
            else if (argument is "-o" or "--output" or "-output")
                (Output, i) = (next ?? Output, i + 1);
            else if (argument is "-T" or "--script" or "-script")
                (Script, i) = (Script ?? next, i + 1);
            else if (argument is "-r" or "-i" or "-Ur" or "--relocatable" or "-relocatable")
                IsRelocatable = true;
            else if (argument is "-v" or "-V" or "--version" or "-version" or "--help" or "-help" or "--verbose" or "-verbose" || argument.StartsWith("--print-", StringComparison.Ordinal))
                Asks = true;
            else if ((Value(argument, "--output=") ?? Value(argument, "-output=")) is { } output)
                Output = output;
            else if ((Value(argument, "--script=") ?? Value(argument, "-script=")) is { } script)
                Script ??= script;
            else if (argument is ['-', 'T', ..] && !IsAddress(argument))
                Script ??= argument[2..];
            else if (argument is ['-', 'o', ..] and not ("-oformat" or "-omagic"))
                Output = argument[2..];
        }
    }

    // -Ttext=ADDRESS and its kin set addresses; -Ttest.lds is a script.
    private static bool IsAddress(string argument) =>
        argument.Split('=')[0] is "-Ttext" or "-Tdata" or "-Tbss" or "-Ttext-segment" or "-Trodata-segment" or "-Tldata-segment";

    private static string? Value(string argument, string option) =>
        argument.StartsWith(option, StringComparison.Ordinal) ? argument[option.Length..] : null;
}
