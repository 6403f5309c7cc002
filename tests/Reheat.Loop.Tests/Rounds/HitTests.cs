using System.Text.Json;
using Reheat.Core;
using Reheat.Core.Ring;
using Reheat.Loop.Tests.Fixtures;
using Xunit;

namespace Reheat.Loop.Tests.Rounds;

/// <summary>Hits on their way from a ring into the database, and the commands that show what came of them.</summary>
public sealed class HitTests : IAsyncLifetime
{
    private readonly Scratch _scratch = new();
    private TestDatabase _database = null!;
    private LoopServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await TestCluster.Instance.CreateAsync();
        _server = await LoopServer.StartAsync(_database.ConnectionString, recompiler: true);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _database.DisposeAsync();
        _scratch.Dispose();
    }

    [Fact]
    public async Task Traps_and_hits_of_a_ring_are_stored_apart_and_both_are_accounted_for()
    {
        RoundImage image = RoundImage.Build(Sites.Padded);
        await _server.RegisterAsync("s", image.Path);
        string session = _scratch.File("session");
        using WedgeProcess wedge = await WedgeProcess.StartAsync(session, capacity: 64);
        await wedge.PushAsync(image["poll_read"], repeat: 20, operation: Operation.DeviceRead, flags: RecordFlags.Hit);
        await wedge.PushAsync(image["poll_read"], repeat: 5, operation: Operation.DeviceRead);
        await wedge.PushAsync(image["swap_site"], repeat: 3, operation: Operation.DeviceExchange, elements: 2, flags: RecordFlags.Hit);
        await wedge.PushAsync(image["swap_site"], repeat: 2, operation: Operation.DeviceExchange, flags: RecordFlags.Hit | RecordFlags.Continued);
        await wedge.PushAsync(0x10, repeat: 4, flags: RecordFlags.Hit); // in no image
        await wedge.PushAsync(image["poll_read"], repeat: 40, operation: Operation.DeviceRead, flags: RecordFlags.Hit); // ten too many
        await wedge.PushAsync(image["poll_read"], repeat: 7, operation: Operation.DeviceRead); // all of them
        await wedge.CloseAsync();

        ReheatResult agent = await ReheatProcess.RunAsync("agent", "--session", session, "--image", image.Path, "--json", "--collector", _server.Address.ToString());

        Assert.Equal((0, ""), (agent.ExitCode, agent.Errors));
        JsonElement told = JsonDocument.Parse(agent.Output).RootElement;
        Assert.Equal((12, 67), (told.GetProperty("traps_recorded").GetInt32(), told.GetProperty("hits_recorded").GetInt32()));
        Assert.Equal([("exchange", 0, 3, 8), ("read", 5, 50, 55)], await _database.RowsAsync<(string, long, long, long)>(
            "SELECT operation, traps, hits, elements FROM reheat.sites ORDER BY operation"));
        Assert.Equal([(12, 5, 7, 0, 67, 53, 10, 0)], await _database.RowsAsync<(long, long, long, long, long, long, long, long)>(
            "SELECT recorded, stored, dropped, pending, hits_recorded, hits_stored, hits_dropped, hits_pending FROM reheat.accounting"));
        Assert.Equal([("outside-images", 0, 4), ("ring-full", 7, 10)], await _database.RowsAsync<(string, long, long)>(
            "SELECT reason, traps, hits FROM reheat.drops ORDER BY reason"));
        await _database.AssertTrapsAsync(5);
    }

    [Fact]
    public async Task Counts_of_a_wedge_that_rewrites_are_stored_as_so_many_hits()
    {
        RoundImage image = RoundImage.Build(Sites.Padded);
        await _server.RegisterAsync("s", image.Path);
        string session = _scratch.File("session");
        using WedgeProcess wedge = await WedgeProcess.StartAsync(session, capacity: 8);
        Assert.Equal(1UL, await wedge.CountAsync(image["poll_read"], uint.MaxValue, Operation.DeviceRead));
        Assert.Equal(1UL, await wedge.CountAsync(image["poll_read"], 5, Operation.DeviceRead));
        Assert.Equal(1UL, await wedge.CountAsync(image["swap_site"], 10, Operation.DeviceExchange));
        Assert.Equal(1UL, await wedge.CountAsync(image["swap_site"], 90, Operation.DeviceExchange, RecordFlags.Continued)); // further elements
        Assert.Equal(1UL, await wedge.CountAsync(0x10, 3, Operation.DeviceRead)); // in no image
        await wedge.PushAsync(image["poll_read"], operation: Operation.DeviceRead);
        await wedge.PushAsync(image["poll_read"], operation: Operation.DeviceRead, elements: 1_000, flags: RecordFlags.Counted); // traps are not counted so
        await wedge.PushAsync(image["poll_read"], operation: Operation.DeviceRead);
        Assert.Equal(0UL, await wedge.CountAsync(image["poll_read"], 8, Operation.DeviceRead)); // full: the wedge keeps them
        await wedge.CommandAsync("drop 0 8"); // but ends
        await wedge.CloseAsync();

        ReheatResult agent = await ReheatProcess.RunAsync("agent", "--session", session, "--image", image.Path, "--json", "--collector", _server.Address.ToString());

        const long Counted = uint.MaxValue + 5L;
        Assert.Equal(0, agent.ExitCode);
        Assert.Equal([("exchange", 0, 10, 100), ("read", 2, Counted, Counted + 2)], await _database.RowsAsync<(string, long, long, long)>(
            "SELECT operation, traps, hits, elements FROM reheat.sites ORDER BY operation"));
        Assert.Equal([(3, 2, 1, 0, Counted + 21, Counted + 10, 8, 0)], await _database.RowsAsync<(long, long, long, long, long, long, long, long)>(
            "SELECT recorded, stored, dropped, pending, hits_recorded, hits_stored, hits_dropped, hits_pending FROM reheat.accounting"));
        Assert.Equal([("outside-images", 0, 3), ("ring-full", 0, 8), ("unknown-operation", 1, 0)], await _database.RowsAsync<(string, long, long)>(
            "SELECT reason, traps, hits FROM reheat.drops ORDER BY reason"));
    }

    [Fact]
    public async Task A_ring_of_the_version_before_hits_is_still_read()
    {
        RoundImage image = RoundImage.Build(Sites.Plain);
        string session = _scratch.File("old");
        using WedgeProcess wedge = await WedgeProcess.StartAsync(session);
        await wedge.CommandAsync("version 0 1");
        await wedge.PushAsync(image["poll_read"], repeat: 6, operation: Operation.DeviceRead);
        await wedge.CloseAsync();

        ReheatResult agent = await ReheatProcess.RunAsync("agent", "--session", session, "--image", image.Path, "--collector", _server.Address.ToString());

        Assert.Equal(0, agent.ExitCode);
        await _database.AssertTrapsAsync(6);
    }

    [Fact]
    public async Task Commands_show_a_second_round()
    {
        RoundImage plain = RoundImage.Build(Sites.Plain), padded = RoundImage.Build(Sites.Padded, 0, "-DOMIT");
        string list = _scratch.File("list"), report = _scratch.File("report");
        await RunAsync(0, "builds", "add", plain.Path, "--series", "s");
        await Recompiler.ListTests.TraceAsync(_server, plain.BuildId, "one",
            (plain["poll_read"], V1.Operation.DeviceRead, 4, 60), (plain["rare_site"], V1.Operation.DeviceWrite, 4, 40));
        await RunAsync(0, "annotations", "pull", "--wait", "--series", "s", "-o", list);
        string unit = (await File.ReadAllLinesAsync(list)).Single(l => l.StartsWith("unit ", StringComparison.Ordinal))["unit ".Length..];
        await File.WriteAllTextAsync(report,
            $$"""{"reheat":1,"path":"/x.o","sites":[{"unit":"{{unit}}","function":"rare","ordinal":0,"instruction":"movl %eax,8(%rdi)","state":"refused","refusal":"fixed-layout","detail":""}]}""" + "\n");
        ReheatResult added = await RunAsync(0, "builds", "add", padded.Path, "--series", "s", "--report", report);
        Assert.Contains("ioapic 1, lapic 2", added.Output, StringComparison.Ordinal);
        ReheatResult shown = await RunAsync(0, "builds", "show", "--series", "s", "--json");
        Assert.Equal(2, JsonDocument.Parse(shown.Output).RootElement.GetProperty("images")[0].GetProperty("annotated").GetProperty("lapic").GetInt32());

        // A run of the second build: 60 hits, and one site that could not be annotated.
        string session = _scratch.File("session");
        using WedgeProcess wedge = await WedgeProcess.StartAsync(session);
        await wedge.PushAsync(padded["poll_read"], repeat: 60, operation: Operation.DeviceRead, flags: RecordFlags.Hit);
        await wedge.PushAsync(padded["rare_site"], repeat: 40);
        await wedge.CloseAsync();
        await RunAsync(0, "agent", "--session", session, "--image", padded.Path);
        string second = _scratch.File("second");
        await RunAsync(0, "annotations", "pull", "--wait", "--series", "s", "-o", second);

        Assert.Equal(await File.ReadAllTextAsync(list), await File.ReadAllTextAsync(second));
        ReheatResult coverage = await RunAsync(7, "coverage", "--series", "s", "--fail-under", "61");
        Assert.Contains("QEMU's observes and rewrites nothing", coverage.Output, StringComparison.Ordinal);
        Assert.Contains("60.00%", coverage.Output, StringComparison.Ordinal);
        JsonElement json = JsonDocument.Parse((await RunAsync(0, "coverage", "--series", "s", "--json", "--fail-under", "60")).Output).RootElement;
        Assert.Equal((40, 60, 0.6, 0), (json.GetProperty("traps").GetInt32(), json.GetProperty("hits").GetInt32(), json.GetProperty("coverage").GetDouble(), json.GetProperty("hits_without_record").GetInt32()));
        JsonElement site = JsonDocument.Parse((await RunAsync(0, "sites", "--series", "s", "--json")).Output).RootElement.GetProperty("sites")[0];
        Assert.Equal(("refused: fixed-layout", "refused by the second pass: fixed-layout"), (site.GetProperty("state").GetString(), site.GetProperty("reason").GetString()));

        // Lists, compared and changed by hand.
        string byHand = _scratch.File("by-hand");
        await File.WriteAllTextAsync(byHand, "reheat-annotations 1.0\nby-hand\nunit *\nfunction rare\n  deny *\n");
        Assert.Contains("the same list", (await RunAsync(0, "annotations", "diff", list, "2", "--exit-code")).Output, StringComparison.Ordinal);
        string without = _scratch.File("without");
        await RunAsync(0, "annotations", "pull", "--series", "s", "--by-hand", byHand, "-o", without);
        ReheatResult diff = await RunAsync(20, "annotations", "diff", list, without, "--exit-code");
        Assert.Contains("- 0 write:4:", diff.Output, StringComparison.Ordinal);
        Assert.Contains("+ deny *", diff.Output, StringComparison.Ordinal);
        Assert.Contains("1 added, 1 removed, 0 changed", diff.Output, StringComparison.Ordinal);
        await RunAsync(0, "annotations", "by-hand", byHand, "--series", "s");
        Assert.Equal(await File.ReadAllTextAsync(byHand), (await RunAsync(0, "annotations", "by-hand", "--series", "s")).Output);
        await RunAsync(0, "annotations", "pull", "--wait", "--series", "s", "-o", second);
        Assert.Equal(await File.ReadAllTextAsync(without), await File.ReadAllTextAsync(second));
        await RunAsync(3, "annotations", "by-hand", list, "--series", "s"); // not marked as such
        await RunAsync(0, "annotations", "by-hand", "--remove", "--series", "s");
        await RunAsync(5, "annotations", "by-hand", "--series", "s");
    }

    private async Task<ReheatResult> RunAsync(int exitCode, params string[] arguments)
    {
        ReheatResult result = await ReheatProcess.RunAsync([.. arguments, "--collector", _server.Address.ToString()]);
        Assert.True(exitCode == result.ExitCode, $"{string.Join(' ', arguments)}: exit {result.ExitCode}\n{result.Output}{result.Errors}");
        return result;
    }
}
