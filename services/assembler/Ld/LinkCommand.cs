namespace Reheat.Assembler.Ld;

/// <summary>What a linker's command line says of the link, as far as it decides whether records get their final names.</summary>
internal sealed class LinkCommand
{
    private readonly List<string> _scripts = [];
    private readonly List<string> _directories = [];
    private string _emulation = Environment.GetEnvironmentVariable("LDEMULATION") ?? "";

    /// <summary><c>-r</c>: the output is an object again.</summary>
    public bool IsRelocatable { get; private set; }

    /// <summary>Asks the linker of itself (<c>--version</c>, <c>--verbose</c>); it may link nevertheless.</summary>
    public bool Asks { get; private set; }

    /// <summary><c>-o</c>; null if not given.</summary>
    public string? Output { get; private set; }

    /// <summary>The build's own linker scripts (<c>-T</c>), as they are named.</summary>
    public IReadOnlyList<string> Scripts => _scripts;

    /// <summary>What stands for the linker's own script (<c>-dT</c>); null without.</summary>
    public string? DefaultScript { get; private set; }

    /// <summary>Where scripts are looked for too (<c>-L</c>).</summary>
    public IReadOnlyList<string> Directories => _directories;

    /// <summary>False for a link of another format (<c>-m i386pep</c>).</summary>
    public bool IsElf => _emulation is "" || _emulation.StartsWith("elf", StringComparison.Ordinal);

    /// <summary>
    /// True for a link that makes an image: a program, a library, a kernel, or a module, which is one although it is relocatable.
    /// </summary>
    public bool IsFinal => (Output is not null || !Asks) && (!IsRelocatable || (Output?.EndsWith(".ko", StringComparison.Ordinal) ?? false));

    /// <summary>Reads the arguments behind the program's name.</summary>
    public static LinkCommand Parse(IReadOnlyList<string> arguments)
    {
        var command = new LinkCommand();
        if (ResponseFile.Expand(arguments) is { } expanded)
            command.Read(expanded);
        else
            command.Asks = true; // too many @files: the linker says so
        return command;
    }

    private void Read(List<string> arguments)
    {
        for (int i = 0; i < arguments.Count; i++)
        {
            string argument = arguments[i];
            string? next = i + 1 < arguments.Count ? arguments[i + 1] : null;
            if (argument is "-o" or "--output" or "-output")
                (Output, i) = (next ?? Output, i + 1);
            else if (argument is "-T" or "--script" or "-script")
                i = Add(_scripts, next, i);
            else if (argument is "-dT" or "--default-script" or "-default-script")
                (DefaultScript, i) = (next, i + 1);
            else if (argument is "-m")
                (_emulation, i) = (next ?? "", i + 1);
            else if (argument is "-L" or "--library-path" or "-library-path")
                i = Add(_directories, next, i);
            else if (argument is "-r" or "-i" or "-Ur" or "--relocatable" or "-relocatable")
                IsRelocatable = true;
            else if (argument is "-v" or "-V" or "--version" or "-version" or "--help" or "-help" or "--verbose" or "-verbose" || argument.StartsWith("--print-", StringComparison.Ordinal))
                Asks = true;
            else if ((Value(argument, "--output=") ?? Value(argument, "-output=")) is { } output)
                Output = output;
            else if ((Value(argument, "--script=") ?? Value(argument, "-script=")) is { } script)
                _scripts.Add(script);
            else if ((Value(argument, "--default-script=") ?? Value(argument, "-default-script=") ?? Value(argument, "-dT=")) is { } standing)
                DefaultScript = standing;
            else if ((Value(argument, "--library-path=") ?? Value(argument, "-library-path=") ?? Value(argument, "-L")) is { } directory)
                _directories.Add(directory);
            else if (argument is ['-', 'm', ..])
                _emulation = argument[2..];
            else if (argument is ['-', 'T', ..] && !IsAddress(argument))
                _scripts.Add(argument[2..]);
            else if (argument is ['-', 'o', ..] and not ("-oformat" or "-omagic"))
                Output = argument[2..];
        }
    }

    private static int Add(List<string> values, string? value, int index)
    {
        if (value is not null)
            values.Add(value);
        return index + 1;
    }

    // -Ttext=ADDRESS and its kin set addresses; -Ttest.lds is a script.
    private static bool IsAddress(string argument) =>
        argument.Split('=')[0] is "-Ttext" or "-Tdata" or "-Tbss" or "-Ttext-segment" or "-Trodata-segment" or "-Tldata-segment";

    private static string? Value(string argument, string option) =>
        argument.StartsWith(option, StringComparison.Ordinal) ? argument[option.Length..] : null;
}
