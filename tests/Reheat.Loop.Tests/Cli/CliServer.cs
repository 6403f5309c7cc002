using Reheat.Loop.Tests.Fixtures;
using Reheat.V1;
using Xunit;

namespace Reheat.Loop.Tests.Cli;

/// <summary>What the command line's tests share: a collector with an annotated build, one that nobody observed, and their images.</summary>
public sealed class CliServer : IAsyncLifetime
{
    private TestDatabase _database = null!;

    internal LoopServer Server { get; private set; } = null!;

    internal string Connection => _database.ConnectionString;

    internal Scratch Scratch { get; } = new();

    internal long Observed { get; private set; }

    internal long Unobserved { get; private set; }

    internal TestImage Image { get; } = TestImage.Get(10);

    /// <summary>Traced, but never registered.</summary>
    internal TestImage Unregistered { get; } = TestImage.Get(12);

    public async ValueTask InitializeAsync()
    {
        _database = await TestCluster.Instance.CreateAsync();
        Server = await LoopServer.StartAsync(_database.ConnectionString, recompiler: true);
        Unobserved = (await Server.RegisterAsync("quiet", TestImage.Get(11).Path)).Build.Build_;
        Observed = (await Server.RegisterAsync("seen", Image.Path)).Build.Build_;
        await Recompiler.ListTests.TraceAsync(Server, Image.BuildId, "one",
            (Image.Find("read_reg", "mov").Address, Operation.DeviceRead, 4, 30), (Image.Find("write_reg", "mov").Address, Operation.DeviceWrite, 4, 70));
        await Recompiler.ListTests.TraceAsync(Server, Unregistered.BuildId, "two", (0x401000, Operation.DeviceRead, 4, 5));
        // As if the second pass had been there: of 400 executions 300 did not trap.
        await _database.ExecuteAsync(
            """
            INSERT INTO reheat_data.site_totals
            SELECT site, operation, size, target, 2, 300, 300, wedges, last_bucket FROM reheat_data.site_totals WHERE executions = 70;
            INSERT INTO reheat_data.annotated_sites
            SELECT s.site, 'lapic', s.build_id, s.address, s.address + 5, 2
            FROM reheat_data.sites s JOIN reheat_data.site_totals t USING (site) WHERE t.executions = 70
            """);
        await Server.Annotations.PullAsync(new PullRequest { Build = new BuildSelector { Build = Observed }, Fresh = true });
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        await _database.DisposeAsync();
        Scratch.Dispose();
    }

    /// <summary>Runs a command against this collector.</summary>
    internal Task<ReheatResult> RunAsync(params IEnumerable<string> arguments) =>
        ReheatProcess.RunAsync([.. arguments, "--collector", Server.Address.ToString()]);
}
