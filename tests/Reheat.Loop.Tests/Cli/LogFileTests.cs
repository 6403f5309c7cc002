using Reheat.Loop.Tests.Fixtures;
using Xunit;

namespace Reheat.Loop.Tests.Cli;

public sealed class LogFileTests
{
    [Fact]
    public async Task A_log_that_goes_to_a_file_has_no_escape_codes_though_a_terminal_watches_standard_output()
    {
        using var scratch = new Scratch();
        string log = scratch.File("log");
        string reheat = Path.Combine(AppContext.BaseDirectory, "reheat");
        // script(1) gives the command a terminal. Nobody answers at the database, so `up` warns, logs and ends.
        var start = new System.Diagnostics.ProcessStartInfo("script") { RedirectStandardOutput = true, RedirectStandardInput = true };
        foreach (string argument in (string[])["-qec", $"'{reheat}' up --listen 127.0.0.1:0 --database 'Host={scratch.Path};Database=x' 2>'{log}'", "/dev/null"])
            start.ArgumentList.Add(argument);
        start.Environment["TERM"] = "xterm-256color";
        using System.Diagnostics.Process script = Tool.Start(start);

        await Eventually.HoldsAsync(() => Task.FromResult(File.Exists(log) && File.ReadAllText(log).Contains("the database is away", StringComparison.Ordinal)), "a warning in the log");
        script.Kill(entireProcessTree: true);
        await script.WaitForExitAsync();

        Assert.DoesNotContain('\u001b', await File.ReadAllTextAsync(log));
    }
}
