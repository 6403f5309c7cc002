using System.Text;

namespace Reheat.Assembler;

/// <summary>The real assembler with this command line.</summary>
/// <param name="path">The program.</param>
/// <param name="command">What the compiler asked for.</param>
internal sealed class Toolchain(string path, AssemblerCommand command)
{
    public string Path => path;

    public AssemblerCommand Command => command;

    /// <summary>Assembles a text that has no part in the build; null if the assembler or the machine refuses.</summary>
    /// <param name="text">What.</param>
    /// <param name="messages">What the assembler said.</param>
    /// <param name="meanwhile">What there is to do while it works.</param>
    public byte[]? AssembleCode(ReadOnlySpan<byte> text, out string messages, Action? meanwhile = null)
    {
        messages = "";
        using MemoryFile? input = MemoryFile.Create(), output = MemoryFile.Create(), error = MemoryFile.Create();
        if (input is null || output is null || error is null || !input.Write(text))
            return null;
        int process = Native.Start(path, command.With(path, null, output.Path, codeOnly: true), input.Descriptor, -1, error.Descriptor);
        meanwhile?.Invoke();
        int code = Native.Wait(process);
        messages = code == 0 ? "" : Encoding.UTF8.GetString(error.Read());
        return code == 0 ? output.Read() : null;
    }

    /// <summary>Assembles the object that the build asked for.</summary>
    /// <param name="text">What.</param>
    /// <param name="messages">What the assembler said.</param>
    /// <param name="meanwhile">What there is to do while it works.</param>
    /// <returns>The exit code; -1 if nothing ran.</returns>
    public int AssembleOutput(ReadOnlySpan<byte> text, out string messages, Action? meanwhile = null)
    {
        messages = "";
        using MemoryFile? input = MemoryFile.Create(), error = MemoryFile.Create();
        if (input is null || error is null || !input.Write(text))
            return -1;
        int process = Native.Start(path, command.With(path, null, command.Output, codeOnly: false), input.Descriptor, -1, error.Descriptor);
        meanwhile?.Invoke();
        int code = Native.Wait(process);
        messages = Encoding.UTF8.GetString(error.Read());
        if (code == 0 && command.DependencyFile is { } dependencies && command.Input is { } name)
            AddInput(dependencies, name);
        return code;
    }

    /// <summary>Becomes the real assembler. Returns only if there is none: the exit code for that.</summary>
    /// <param name="path">The program.</param>
    /// <param name="words">As the compiler wrote them.</param>
    /// <param name="input">Standard input as it was read; null if it was not.</param>
    public static int Become(string path, IReadOnlyList<string> words, byte[]? input)
    {
        if (input is not null)
        {
            MemoryFile? file = MemoryFile.Create();
            if (file is null || !file.Write(input))
            {
                Diagnose.Say("no memory to hand standard input on to the assembler");
                return 1;
            }
            Native.Duplicate(file.Descriptor, 0);
        }
        int error = Native.Exec(path, [path, .. words]);
        Diagnose.Say($"{path}: cannot be run (error {error}); name the assembler by REHEAT_AS");
        return 1;
    }

    // gas names its input files as what the object depends on, and standard input is none.
    private static void AddInput(string dependencies, string name)
    {
        try
        {
            byte[] text = File.ReadAllBytes(dependencies);
            File.WriteAllBytes(dependencies, [.. text.AsSpan().TrimEnd((byte)'\n'), .. Encoding.UTF8.GetBytes($" {name}\n")]);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Diagnose.Say($"{dependencies}: {error.Message}");
        }
    }
}

/// <summary>Messages to the user, on standard error.</summary>
internal static class Diagnose
{
    private static readonly List<string> Told = [];

    /// <summary>All that was said, for the report.</summary>
    public static IReadOnlyList<string> All => Told;

    public static void Say(string message)
    {
        Told.Add(message);
        Native.Write(2, Words.Encode($"reheat-as: {message}\n"));
    }
}
