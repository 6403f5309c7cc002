using System.Diagnostics;

namespace Reheat.Assembler.Tests;

/// <summary>What a program left behind.</summary>
internal sealed record Outcome(int ExitCode, string Output, string Errors);

/// <summary>A directory that goes away with the test, and programs run in it.</summary>
internal sealed class Scratch : IDisposable
{
    /// <summary>The published program; as a compiler looks for it, under the name <c>as</c>, in <see cref="ToolDirectory"/>.</summary>
    public static string Program { get; } = Path.Combine(AppContext.BaseDirectory, "reheat", "reheat-as");

    public Scratch()
    {
        Directory.CreateDirectory(ToolDirectory);
        System.IO.File.CreateSymbolicLink(Path.Combine(ToolDirectory, "as"), Program);
    }

    public string Root { get; } = Directory.CreateTempSubdirectory("reheat-as-").FullName;

    public string ToolDirectory => File("tools");

    public string File(string name) => Path.Combine(Root, name);

    public void Write(string name, string text) => System.IO.File.WriteAllText(File(name), text);

    public byte[] Read(string name) => System.IO.File.ReadAllBytes(File(name));

    public string Text(string name) => System.IO.File.Exists(File(name)) ? System.IO.File.ReadAllText(File(name)) : "";

    /// <summary>Copies a source of the tests; it has another ending there so that no build takes it for its own.</summary>
    public void Copy(string source, string name) => System.IO.File.Copy(Path.Combine(AppContext.BaseDirectory, "sources", source), File(name));

    /// <summary>Runs a program that must succeed.</summary>
    public string Run(string program, string arguments, params ReadOnlySpan<(string Name, string Value)> environment)
    {
        Outcome outcome = Try(program, arguments, null, environment);
        return outcome.ExitCode == 0
            ? outcome.Output
            : throw new InvalidOperationException($"{program} {arguments}: exit code {outcome.ExitCode}\n{outcome.Errors}");
    }

    /// <summary>Runs a program.</summary>
    public Outcome Try(string program, string arguments, string? input, params ReadOnlySpan<(string Name, string Value)> environment)
    {
        var start = new ProcessStartInfo(program.StartsWith("./", StringComparison.Ordinal) ? File(program[2..]) : program, arguments)
        {
            WorkingDirectory = Root,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["LC_ALL"] = "C";
        foreach ((string name, string value) in environment)
            start.Environment[name] = value;
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        try
        {
            process.StandardInput.Write(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It had no need of its input, and is gone.
        }
        process.WaitForExit();
        return new Outcome(process.ExitCode, output.Result, errors.Result);
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
