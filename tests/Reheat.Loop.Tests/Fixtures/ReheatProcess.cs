using System.Diagnostics;

namespace Reheat.Loop.Tests.Fixtures;

/// <summary>What a run of the command line said.</summary>
internal sealed record ReheatResult(int ExitCode, string Output, string Errors);

/// <summary>The program <c>reheat</c>, as a process: the installed one that REHEAT_PROGRAM names, else the one that was built with the tests.</summary>
internal sealed class ReheatProcess : IDisposable
{
    private readonly Process _process;
    private readonly Task<string> _output;
    private readonly Task<string> _errors;

    private ReheatProcess(Process process)
    {
        _process = process;
        _output = process.StandardOutput.ReadToEndAsync();
        _errors = process.StandardError.ReadToEndAsync();
    }

    public static ReheatProcess Start(params IEnumerable<string> arguments) => Start(Program, arguments);

    /// <summary>Runs it with a wall clock of its own, or on a disk of its own, or both.</summary>
    public static ReheatProcess StartWith(FakeClock? clock, SmallDisk? disk, params IEnumerable<string> arguments)
    {
        string[] command = [.. disk?.Inside ?? [], Program, .. arguments];
        return Start(command[0], command[1..], clock?.Environment);
    }

    private static string Program => Environment.GetEnvironmentVariable("REHEAT_PROGRAM") is { Length: > 0 } installed ? installed : Path.Combine(AppContext.BaseDirectory, "reheat");

    private static ReheatProcess Start(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo("env") { RedirectStandardOutput = true, RedirectStandardError = true };
        // Tests that run in the background of a script were told to ignore SIGINT, and so would their children be.
        start.ArgumentList.Add("--default-signal=INT");
        start.ArgumentList.Add(program);
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        start.Environment["DOTNET_TieredPGO"] = "0";
        foreach (string variable in (string[])["FORCE_COLOR", "CLICOLOR_FORCE", "NO_COLOR", "REHEAT_COLLECTOR", "DOTNET_SYSTEM_CONSOLE_ALLOW_ANSI_COLOR_REDIRECTION"])
            start.Environment.Remove(variable);
        foreach ((string name, string value) in environment ?? new Dictionary<string, string>())
            start.Environment[name] = value;
        return new ReheatProcess(Tool.Start(start));
    }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>Runs a command to its end.</summary>
    public static async Task<ReheatResult> RunAsync(params IEnumerable<string> arguments)
    {
        using ReheatProcess process = Start(arguments);
        return await process.EndAsync();
    }

    /// <summary>Runs a command to its end, with further variables.</summary>
    public static async Task<ReheatResult> RunAsync(IReadOnlyDictionary<string, string> environment, params IEnumerable<string> arguments)
    {
        using ReheatProcess process = Start(Program, arguments, environment);
        return await process.EndAsync();
    }

    public async Task<ReheatResult> EndAsync()
    {
        await _process.WaitForExitAsync();
        return new ReheatResult(_process.ExitCode, await _output, await _errors);
    }

    /// <summary>Ends the process and returns what it said until then, for the message of a test that fails.</summary>
    public async Task<string> SaidAsync()
    {
        string state = _process.HasExited ? $"had ended with {_process.ExitCode}" : "was running";
        await KillAsync();
        return $"{state}\n{await _output}{await _errors}";
    }

    /// <summary>Ctrl-C.</summary>
    public void Interrupt() => Tool.Run("kill", "-INT", $"{_process.Id}");

    /// <summary>kill -9.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
    }
}
