using System.Text.Json;
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
    public async Task An_agent_refuses_to_count_a_delivered_session_as_another_wedges()
    {
        string session = cli.Scratch.File("delivered");
        using WedgeProcess wedge = await WedgeProcess.StartAsync(session, epoch: 0x77);
        await wedge.PushAsync(0x401000, repeat: 5);
        await wedge.CloseAsync();
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
}
