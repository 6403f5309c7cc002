using System.Globalization;
using System.Text.Json;
using Reheat.Core.Ring;
using Reheat.Loop.Tests.Fixtures;
using Xunit;

namespace Reheat.Loop.Tests.Cli;

/// <summary>The built program as scripts meet it: exit codes, JSON, quiet output.</summary>
public sealed class CommandTests(CliServer cli) : IClassFixture<CliServer>
{
    private string Observed => cli.Observed.ToString(CultureInfo.InvariantCulture);

    private string Unobserved => cli.Unobserved.ToString(CultureInfo.InvariantCulture);

    [Theory]
    [InlineData("")]
    [InlineData("up")]
    [InlineData("builds")]
    [InlineData("builds add")]
    [InlineData("builds list")]
    [InlineData("builds show")]
    [InlineData("guest")]
    [InlineData("guest run")]
    [InlineData("agent")]
    [InlineData("wedge")]
    [InlineData("wedge check")]
    [InlineData("import")]
    [InlineData("import kvm")]
    [InlineData("annotations")]
    [InlineData("annotations pull")]
    [InlineData("annotations list")]
    [InlineData("annotations show")]
    [InlineData("annotations diff")]
    [InlineData("annotations by-hand")]
    [InlineData("coverage")]
    [InlineData("sites")]
    [InlineData("make")]
    public async Task Every_command_explains_itself(string command)
    {
        ReheatResult result = await ReheatProcess.RunAsync([.. command.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--help"]);

        Assert.Equal((0, ""), (result.ExitCode, result.Errors));
        Assert.Contains("Usage:", result.Output, StringComparison.Ordinal);
        Assert.Contains(("reheat " + command).TrimEnd(), result.Output, StringComparison.Ordinal);
        AssertPlain(result);
    }

    [Fact]
    public async Task The_table_of_contents_names_every_command_and_exit_code()
    {
        string help = (await ReheatProcess.RunAsync("--help")).Output;

        foreach (string word in (string[])["up", "builds", "guest", "agent", "wedge", "import", "annotations", "coverage", "sites", "make", "4 collector away", "7 coverage below --fail-under"])
            Assert.Contains(word, help, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Answers_in_JSON_parse_and_say_what_the_tables_say()
    {
        JsonElement builds = await JsonAsync("builds", "list");
        Assert.Equal([cli.Observed, cli.Unobserved], builds.EnumerateArray().Select(b => b.GetProperty("build").GetInt64()));
        JsonElement build = await JsonAsync("builds", "show", "--build", Observed);
        Assert.Equal(cli.Image.BuildId.ToString(), build.GetProperty("images")[0].GetProperty("build_id").GetString());
        JsonElement sites = await JsonAsync("sites", "--build", Observed);
        Assert.Equal([70, 30], sites.GetProperty("sites").EnumerateArray().Select(s => s.GetProperty("traps").GetInt32()));
        Assert.Equal("annotated", sites.GetProperty("sites")[0].GetProperty("state").GetString());
        JsonElement coverage = await JsonAsync("coverage", "--build", Observed);
        Assert.Equal((100, 300, 0.75), (coverage.GetProperty("traps").GetInt32(), coverage.GetProperty("hits").GetInt32(), coverage.GetProperty("coverage").GetDouble()));
        JsonElement lists = await JsonAsync("annotations", "list", "--build", Observed);
        Assert.Equal(2, lists[0].GetProperty("annotations").GetInt32());
    }

    [Fact]
    public async Task Tables_name_what_they_show_and_carry_no_escape_codes()
    {
        (string[] Command, string[] Words)[] cases =
        [
            (["builds", "list"], ["seen", "quiet", "device10.elf"]),
            (["builds", "show", "--build", Observed], ["device10.elf", cli.Image.BuildId.ToString()]),
            (["sites", "--build", Observed], ["write_reg", "read_reg", "lapic", "annotated", "device.c"]),
            (["coverage", "--build", Observed], ["75.00%", "lapic", "write", "read"]),
            (["annotations", "list", "--build", Observed], ["SHA-256"]),
        ];
        foreach ((string[] command, string[] words) in cases)
        {
            ReheatResult result = await cli.RunAsync(command);
            Assert.Equal((0, ""), (result.ExitCode, result.Errors));
            Assert.All(words, word => Assert.Contains(word, result.Output, StringComparison.Ordinal));
            AssertPlain(result);
        }
    }

    [Fact]
    public async Task A_list_is_pulled_whole_to_standard_output_or_a_file_with_its_provenance()
    {
        string file = cli.Scratch.File("list");
        ReheatResult shown = await cli.RunAsync("annotations", "show", "--build", Observed);
        ReheatResult pulled = await cli.RunAsync("annotations", "pull", "--wait", "--build", Observed, "-o", file);

        Assert.Equal((0, 0), (shown.ExitCode, pulled.ExitCode));
        Assert.Contains("write_reg", shown.Output, StringComparison.Ordinal);
        Assert.Equal(shown.Output, await File.ReadAllTextAsync(file));
        Assert.Equal((await cli.RunAsync("annotations", "show", "--provenance", "--build", Observed)).Output, await File.ReadAllTextAsync(file + ".provenance"));
        Assert.Contains("2 annotations, 0 sites refused", pulled.Errors, StringComparison.Ordinal);
        AssertPlain(pulled);
    }

    [Theory]
    [InlineData("nonsense")]
    [InlineData("builds add")]
    [InlineData("sites --limit 0")]
    [InlineData("sites --limit many")]
    [InlineData("coverage --fail-under 101")]
    [InlineData("coverage --fail-under half")]
    [InlineData("coverage --collector nowhere")]
    [InlineData("coverage --build x")]
    [InlineData("agent --session x")]
    [InlineData("wedge check")]
    [InlineData("guest run --image x --time-limit soon -- -m 1")]
    [InlineData("guest run --image x --drain-limit -1 -- -m 1")]
    [InlineData("guest run --image x --ring-records 1000 -- -m 1")]
    [InlineData("guest run --image x --page-tables some -- -m 1")]
    [InlineData("coverage --series seen --build 1")]
    [InlineData("sites --build-id xyz")]
    [InlineData("annotations pull --version first")]
    [InlineData("up --listen junk")]
    [InlineData("up --listen 127.0.0.1")]
    [InlineData("up --listen 203.0.113.7:7499")]
    [InlineData("up --database junk")]
    [InlineData("up --database postgres://x/y")]
    public async Task A_wrong_command_line_is_2(string command)
    {
        ReheatResult result = await ReheatProcess.RunAsync(command.Split(' '));

        Assert.Equal((2, ""), (result.ExitCode, result.Output));
        Assert.StartsWith("reheat: ", result.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("System.", result.Errors, StringComparison.Ordinal);
        AssertPlain(result);
    }

    [Fact]
    public async Task Bad_input_is_3_with_the_file_and_its_fault()
    {
        byte[] whole = await File.ReadAllBytesAsync(cli.Image.Path);
        (string Name, byte[] Bytes)[] files =
        [
            ("truncated", whole[..100]),
            ("empty", []),
            ("text", "not an image"u8.ToArray()),
            ("hostile", [.. whole[..40], .. Enumerable.Repeat((byte)0xff, 24), .. whole[64..]]), // the header's table offsets and counts
        ];
        foreach ((string name, byte[] bytes) in files)
        {
            string path = cli.Scratch.File(name);
            await File.WriteAllBytesAsync(path, bytes);
            ReheatResult result = await cli.RunAsync("builds", "add", path);
            Assert.Equal(3, result.ExitCode);
            Assert.Contains(path, result.Errors, StringComparison.Ordinal);
            AssertPlain(result);
        }
        string without = cli.Scratch.File("without-build-id");
        Tool.Run("objcopy", "--remove-section=.note.gnu.build-id", cli.Image.Path, without);
        foreach ((string path, string message) in ((string, string)[])[(without, "no GNU build-id"), (cli.Scratch.File("absent"), "absent")])
        {
            ReheatResult result = await cli.RunAsync("builds", "add", path);
            Assert.Equal(3, result.ExitCode);
            Assert.Contains(message, result.Errors, StringComparison.Ordinal);
        }
        ReheatResult twice = await cli.RunAsync("builds", "add", cli.Image.Path, cli.Image.Path);
        Assert.Equal(3, twice.ExitCode);
        Assert.Contains("occurs twice", twice.Errors, StringComparison.Ordinal);
        ReheatResult series = await cli.RunAsync("builds", "add", cli.Image.Path, "--series", "a b");
        Assert.Equal(2, series.ExitCode);
    }

    [Fact]
    public async Task A_port_that_is_taken_is_told_before_a_database_is_started()
    {
        using var taken = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Loopback, 0);
        taken.Start();
        string data = cli.Scratch.File("never-made");

        ReheatResult result = await ReheatProcess.RunAsync("up", "--listen", taken.LocalEndpoint.ToString()!, "--data", data);

        Assert.Equal(2, result.ExitCode);
        Assert.Contains($"--listen {taken.LocalEndpoint}: the port is in use", result.Errors, StringComparison.Ordinal);
        Assert.False(Directory.Exists(data));
    }

    [Theory]
    [InlineData("builds list")]
    [InlineData("coverage")]
    [InlineData("annotations pull --wait")]
    public async Task A_collector_that_is_away_is_4_and_named(string command)
    {
        string nobody = $"http://127.0.0.1:{LoopServer.FreePort()}";
        ReheatResult result = await ReheatProcess.RunAsync([.. command.Split(' '), "--collector", nobody]);

        Assert.Equal(4, result.ExitCode);
        Assert.Contains(nobody, result.Errors, StringComparison.Ordinal);
        Assert.Contains("reheat up", result.Errors, StringComparison.Ordinal);
        AssertPlain(result);
    }

    [Theory]
    [InlineData("builds show --build 9999", "no build 9999")]
    [InlineData("coverage --series nowhere", "no build in series nowhere")]
    [InlineData("sites --build-id 00112233", "build-id 00112233")]
    [InlineData("annotations pull --series seen --version 77", "no list of version 77")]
    public async Task What_does_not_exist_is_5(string command, string message)
    {
        ReheatResult result = await cli.RunAsync(command.Split(' '));

        Assert.Equal(5, result.ExitCode);
        Assert.Contains(message, result.Errors, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("coverage")]
    [InlineData("coverage --fail-under 0")]
    [InlineData("sites")]
    public async Task Nothing_observed_is_6_and_tells_of_traces_of_an_image_that_no_build_has(string command)
    {
        ReheatResult result = await cli.RunAsync([.. command.Split(' '), "--build", Unobserved]);

        Assert.Equal(6, result.ExitCode);
        Assert.DoesNotContain("100", result.Output, StringComparison.Ordinal);
        Assert.Contains($"build-id {cli.Unregistered.BuildId}, 5 traps at 1 site ", result.Errors, StringComparison.Ordinal);
        AssertPlain(result);
    }

    [Fact]
    public async Task Coverage_that_is_unknown_is_null_in_JSON()
    {
        ReheatResult result = await cli.RunAsync("coverage", "--json", "--build", Unobserved);

        Assert.Equal(6, result.ExitCode);
        Assert.Equal(JsonValueKind.Null, JsonDocument.Parse(result.Output).RootElement.GetProperty("coverage").ValueKind);
    }

    [Theory]
    [InlineData("75", 0)]
    [InlineData("75.01", 7)]
    [InlineData("100", 7)]
    public async Task The_gate_fails_with_7_below_its_threshold_alone(string threshold, int exitCode)
    {
        ReheatResult result = await cli.RunAsync("coverage", "--build", Observed, "--fail-under", threshold);

        Assert.Equal(exitCode, result.ExitCode);
        Assert.Equal(exitCode == 7, result.Errors.Contains($"coverage 75.00% is below {threshold}%", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_agent_that_may_not_read_the_ring_ends_with_9_and_the_traces_stay()
    {
        string session = cli.Scratch.File("session");
        using WedgeProcess wedge = await WedgeProcess.StartAsync(session);
        await wedge.PushAsync(0x401000);
        using RingFile consumed = RingFile.Open(Path.Combine(session, "ring-0"), out _)!;
        Assert.Equal(0, consumed.Attach());

        ReheatResult result = await cli.RunAsync("agent", "--session", session, "--image", cli.Image.Path);

        Assert.Equal(9, result.ExitCode);
        Assert.Contains("reads this ring already", result.Errors, StringComparison.Ordinal);
        Assert.Equal(0UL, (await wedge.CountersAsync()).Tail);
    }

    private async Task<JsonElement> JsonAsync(params IEnumerable<string> arguments)
    {
        ReheatResult result = await cli.RunAsync([.. arguments, "--json"]);
        Assert.Equal((0, ""), (result.ExitCode, result.Errors));
        AssertPlain(result);
        return JsonDocument.Parse(result.Output).RootElement;
    }

    private static void AssertPlain(ReheatResult result) => Assert.DoesNotContain('\u001b', result.Output + result.Errors);
}
