using Reheat.Agent;
using Reheat.Core.Elf;
using Reheat.Loop.Tests.Fixtures;
using Reheat.V1;
using Xunit;

namespace Reheat.Loop.Tests.Wedges;

/// <summary>The SDK's example, as its own text says that it is compiled and used: from its traps to the list of its instructions.</summary>
public sealed class ExampleTests
{
    private static readonly CProgram Example = new("example", "-no-pie", "-Wl,--build-id=sha1");

    [Fact]
    public async Task The_example_wedge_goes_through_agent_and_collector_to_its_list()
    {
        const int Rounds = 1000;
        using var scratch = new Scratch();
        await using TestDatabase database = await TestCluster.Instance.CreateAsync();
        await using LoopServer server = await LoopServer.StartAsync(database.ConnectionString, recompiler: true);
        string session = scratch.File("session");
        await server.RegisterAsync("example", Example.Path);
        Tool.Run(Example.Path, session, $"{Rounds}");
        await using (var agent = new RunningAgent(server.Address, session, Loaded()))
            await agent.DeliveredAsync();

        V1.AnnotationList list = await server.Annotations.PullAsync(new PullRequest { Build = new BuildSelector { Series = "example" }, Fresh = true });

        Assert.Equal(3, list.Annotations);
        Assert.Equal([("example_fill", "write", "hpet", 1, 8), ("example_read", "read", "hpet", Rounds, Rounds), ("example_write", "write", "hpet", Rounds, Rounds)],
            await database.RowsAsync<(string, string, string, long, long)>("SELECT function, operation, target, traps, elements FROM reheat.sites ORDER BY function"));
        Assert.Equal([((2L * Rounds) + 1, (2L * Rounds) + 1, 0L, 0L)],
            await database.RowsAsync<(long, long, long, long)>("SELECT recorded, stored, dropped, pending FROM reheat.accounting"));
        Assert.Equal(["8937", "8b07", "f3ab"], await database.RowsAsync<string>("SELECT encode(code, 'hex') FROM reheat_data.sites ORDER BY code"));
    }

    private static GuestImage Loaded()
    {
        using ElfImage elf = ElfImage.Open(Example.Path);
        return new GuestImage(elf.BuildId, "example", default, [.. elf.ExecutableRanges.Select(r => (r.Start, r.End))]);
    }
}
