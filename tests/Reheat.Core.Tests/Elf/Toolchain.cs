using System.Diagnostics;
using System.Text;
using Xunit;

namespace Reheat.Core.Tests.Elf;

/// <summary>Makes real objects with the machine's compiler and asks its own tools about them.</summary>
public sealed class Toolchain : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("reheat-elf-");

    /// <summary>Runs a tool in the temporary directory; a failure fails the test with the tool's words.</summary>
    public string Run(string tool, params string[] arguments) => RunWithInput(tool, null, arguments);

    public string RunWithInput(string tool, string? input, params string[] arguments)
    {
        var start = new ProcessStartInfo(tool)
        {
            WorkingDirectory = _directory.FullName,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = input is not null,
            StandardOutputEncoding = Encoding.UTF8,
            Environment = { ["LC_ALL"] = "C" },
        };
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        Task feed = input is null ? Task.CompletedTask : Feed(process, input);
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        feed.GetAwaiter().GetResult();
        Assert.True(process.ExitCode == 0, $"{tool} {string.Join(' ', arguments)}: exit {process.ExitCode}: {error.Result}");
        return output;
    }

    /// <summary>Writes a source file and returns its name in the temporary directory.</summary>
    public string Write(string name, string text)
    {
        string path = PathOf(name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.WriteAllText(path, text);
        return name;
    }

    /// <summary>Compiles sources and returns the output's full path.</summary>
    public string Gcc(string output, params string[] arguments)
    {
        Run("gcc", [.. arguments, "-o", output]);
        return PathOf(output);
    }

    public string PathOf(string name) => Path.Combine(_directory.FullName, name);

    public void Dispose() => _directory.Delete(recursive: true);

    private static async Task Feed(Process process, string input)
    {
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
    }
}
