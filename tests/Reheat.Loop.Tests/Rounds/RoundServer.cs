using Google.Protobuf;
using Reheat.Core.Annotations;
using Reheat.Loop.Tests.Fixtures;
using Reheat.Recompiler;
using Reheat.V1;
using Xunit;
using Operation = Reheat.V1.Operation;

namespace Reheat.Loop.Tests.Rounds;

/// <summary>One thing that a wedge saw.</summary>
internal readonly record struct Seen(string Label, Operation Operation, string Target, ulong Traps, ulong Hits = 0);

/// <summary>A series of builds with a collector and a recompiler.</summary>
internal sealed class RoundServer : IAsyncDisposable
{
    private int _wedges;

    private RoundServer(TestDatabase database, LoopServer server) => (Database, Server) = (database, server);

    public TestDatabase Database { get; }

    public LoopServer Server { get; }

    /// <summary>What the first build of every series does, in traps.</summary>
    public static Seen[] FirstRun { get; } =
    [
        new("poll_read", Operation.DeviceRead, "lapic", 70),
        new("poll_write", Operation.DeviceWrite, "lapic", 20),
        new("swap_site", Operation.DeviceExchange, "ioapic", 9),
        new("rare_site", Operation.DeviceWrite, "hpet", 1),
    ];

    public static async Task<RoundServer> StartAsync(Func<RecompilerOptions, RecompilerOptions>? policy = null)
    {
        TestDatabase database = await TestCluster.Instance.CreateAsync();
        return new RoundServer(database, await LoopServer.StartAsync(database.ConnectionString, recompiler: true, changeRecompiler: policy));
    }

    public async Task<long> RegisterAsync(RoundImage image) => (await Server.RegisterAsync("s", image.Path)).Build.Build_;

    /// <summary>A wedge's run of an image; each run is a wedge of its own.</summary>
    public async Task RunAsync(RoundImage image, params Seen[] seen)
    {
        using RawStream stream = await RawStream.OpenAsync(
            Server.Address, RawStream.Hello($"wedge-{_wedges++}", h => h.Images[0].BuildId = ByteString.CopyFrom(image.BuildId.ToBytes())));
        var batch = new Batch { NewSites = new SiteColumns() };
        ulong last = 0;
        foreach (Seen row in seen)
        {
            foreach ((Outcome outcome, ulong count) in ((Outcome, ulong)[])[(Outcome.Trap, row.Traps), (Outcome.Hit, row.Hits)])
            {
                if (count == 0)
                    continue;
                batch.NewSites.NewKinds.Add(new SiteKind { Operation = row.Operation, Size = 4, Target = row.Target, Outcome = outcome });
                batch.NewSites.AddressDelta.Add(unchecked((long)(image[row.Label] - last)));
                last = image[row.Label];
                batch.NewSites.Kind.Add((uint)batch.Site.Count);
                batch.Site.Add((uint)batch.Site.Count);
                batch.Traps.Add(count);
                batch.To += count;
            }
        }
        await stream.CountAsync(batch);
        await stream.CompleteAsync();
    }

    public async Task<Reheat.V1.AnnotationList> PullAsync(long build) =>
        await Server.Annotations.PullAsync(new PullRequest { Build = new BuildSelector { Build = build }, Fresh = true });

    /// <summary>Function and ordinal of each site of a list.</summary>
    public static IEnumerable<string> SitesOf(Reheat.V1.AnnotationList list) => AnnotationListReader.Read(list.Body, "body").List.Units
        .SelectMany(u => u.Functions).SelectMany(f => f.Sites, (f, s) => $"{(s.Standing == Standing.Listed ? "" : s.Standing.ToString().ToLowerInvariant() + " ")}{f.Name} {s.Ordinal}");

    /// <summary>Where its sites came from, by function and ordinal.</summary>
    public static Dictionary<string, SiteProvenance> ProvenanceOf(Reheat.V1.AnnotationList list)
    {
        (Provenance provenance, IReadOnlyList<Core.Diagnostic> faults) = ProvenanceReader.Read(list.Provenance, "provenance");
        Assert.Empty(faults);
        return provenance.Sites.ToDictionary(s => $"{s.Site.Function} {s.Site.Ordinal}");
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        await Database.DisposeAsync();
    }
}
