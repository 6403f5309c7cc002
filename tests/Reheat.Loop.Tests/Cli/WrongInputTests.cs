using System.Text.Json;
using Reheat.Core.Ring;
using Reheat.Loop.Tests.Fixtures;
using Xunit;

namespace Reheat.Loop.Tests.Cli;

/// <summary>What is well-formed and still not what was meant: refused or told, with nothing lost.</summary>
public sealed class WrongInputTests(CliServer cli) : IClassFixture<CliServer>
{
    [Fact]
    public async Task What_is_no_kernel_image_is_told_in_words()
    {
        string kernel = cli.Scratch.File("bzImage");
        byte[] boot = new byte[1024];
        "HdrS"u8.CopyTo(boot.AsSpan(0x202));
        await File.WriteAllBytesAsync(kernel, boot);

        ReheatResult compressed = await cli.RunAsync("builds", "add", kernel);
        ReheatResult program = await cli.RunAsync("builds", "add", "/bin/ls", "--series", "user");

        Assert.Equal((3, 0), (compressed.ExitCode, program.ExitCode));
        Assert.Contains("give the vmlinux", compressed.Errors, StringComparison.Ordinal);
        Assert.Contains("is a user-space program", program.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_agent_refuses_images_that_are_not_the_code_that_the_wedge_recorded()
    {
        string session = cli.Scratch.File("other-code");
        using WedgeProcess wedge = await WedgeProcess.StartAsync(session);
        await File.AppendAllTextAsync(Path.Combine(session, "wedge.info"), "inside 0x10401000-0x10402000\n");
        await wedge.PushAsync(0x10401000);
        await wedge.CloseAsync();

        ReheatResult refused = await cli.RunAsync("agent", "--session", session, "--image", cli.Image.Path, "--wedge", "careful");
        Assert.Equal(3, refused.ExitCode);
        Assert.Contains("0x10401000 to 0x10402000", refused.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("delivered", refused.Output, StringComparison.Ordinal);

        ReheatResult result = await cli.RunAsync("agent", "--session", session, "--image", cli.Image.Path, "--wedge", "careful", "--force", "--json");
        Assert.Equal((0, ""), (result.ExitCode, result.Errors));
        JsonElement forced = JsonDocument.Parse(result.Output).RootElement;
        Assert.Equal((1, 0, 1), (forced.GetProperty("traps_recorded").GetInt32(), forced.GetProperty("traps_stored").GetInt32(), forced.GetProperty("outside_recorded").GetInt32()));
    }

    [Fact]
    public async Task An_agent_whose_records_all_lie_outside_says_so_with_6()
    {
        string session = await RecordedAsync("outside", 0x78, 0x10401000, 2);

        ReheatResult result = await cli.RunAsync("agent", "--session", session, "--image", cli.Image.Path, "--wedge", "outside");

        Assert.Equal(6, result.ExitCode);
        Assert.Contains("2 outside the images", result.Output, StringComparison.Ordinal);
        Assert.Contains("all of it lies outside the images", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Hits_inside_are_something_though_all_traps_lie_outside()
    {
        string session = cli.Scratch.File("hits-inside");
        using WedgeProcess wedge = await WedgeProcess.StartAsync(session);
        await wedge.PushAsync(0x401000, flags: RecordFlags.Hit);
        await wedge.PushAsync(0x10401000);
        await wedge.CloseAsync();

        ReheatResult result = await cli.RunAsync("agent", "--session", session, "--image", cli.Image.Path, "--wedge", "hits-inside");

        Assert.Equal((0, ""), (result.ExitCode, result.Errors));
    }

    [Fact]
    public async Task An_agent_asks_the_collector_that_it_came_to_what_is_stored()
    {
        string session = await RecordedAsync("fallback", 0x79, 0x401000, 4);

        ReheatResult result = await ReheatProcess.RunAsync(
            "agent", "--session", session, "--image", cli.Image.Path, "--wedge", "fallback", "--collector", $"http://127.0.0.1:{LoopServer.FreePort()}", "--fallback", cli.Server.Address.ToString());

        Assert.Equal(0, result.ExitCode);
        Assert.Contains("4 traps recorded = 4 stored", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_session_that_is_a_file_is_refused()
    {
        string file = cli.Scratch.File("no-session");
        await File.WriteAllTextAsync(file, "");

        ReheatResult result = await cli.RunAsync("agent", "--session", file, "--image", cli.Image.Path);

        Assert.Equal(3, result.ExitCode);
        Assert.Contains($"--session {file} is a file", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_setting_in_the_environment_counts_for_up_as_well()
    {
        ReheatResult result = await ReheatProcess.RunAsync(
            new Dictionary<string, string> { ["Collector__Retention"] = "00:00:01" }, "up", "--listen", "127.0.0.1:0", "--database", cli.Connection);

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("Collector:Retention is \"00:00:01\": expected at least an hour", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_agent_refuses_to_count_a_delivered_session_as_another_wedges()
    {
        string session = await RecordedAsync("delivered", 0x77, 0x401000, 5);
        string[] agent = ["agent", "--session", session, "--image", cli.Image.Path, "--wedge"];
        Assert.Equal(0, (await cli.RunAsync([.. agent, "right"])).ExitCode);

        ReheatResult again = await cli.RunAsync([.. agent, "right"]);
        Assert.Equal(0, again.ExitCode);
        Assert.Contains("5 traps recorded = 5 stored", again.Output, StringComparison.Ordinal);
        ReheatResult wrong = await cli.RunAsync([.. agent, "wrong"]);
        Assert.Equal((3, ""), (wrong.ExitCode, wrong.Output));
        Assert.Contains("another --wedge name", wrong.Errors, StringComparison.Ordinal);
        ReheatResult forced = await cli.RunAsync([.. agent, "wrong", "--force"]);
        Assert.Equal(1, forced.ExitCode);
        Assert.Contains("5 records", forced.Errors, StringComparison.Ordinal);
    }

    /// <summary>The session of a wedge that has recorded and ended.</summary>
    private async Task<string> RecordedAsync(string name, ulong epoch, ulong ip, int traps)
    {
        string session = cli.Scratch.File(name);
        using WedgeProcess wedge = await WedgeProcess.StartAsync(session, epoch: epoch);
        await wedge.PushAsync(ip, repeat: traps);
        await wedge.CloseAsync();
        return session;
    }
}
