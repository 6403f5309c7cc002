using Google.Protobuf;
using Grpc.Core;
using Reheat.Loop.Tests.Fixtures;
using Reheat.V1;
using Xunit;

namespace Reheat.Loop.Tests.Ingest;

/// <summary>Requests that break the contract: each ends its stream with a message that names field and value; nothing is counted.</summary>
public sealed class MalformedTests : IAsyncLifetime
{
    private const ulong Huge = 1UL << 48;

    private static readonly Dictionary<string, (Action<Batch> Break, StatusCode Status, string Message)> Batches = new()
    {
        ["site index"] = (b => b.Site[1] = 2, StatusCode.InvalidArgument, "site[1] is 2: the stream has named 2 sites"),
        ["kind index"] = (b => b.NewSites.Kind[1] = 1, StatusCode.InvalidArgument, "new_sites.kind[1] is 1: the stream has named 1 kinds"),
        ["image index"] = (b => b.NewSites.Image.Add([0, 1]), StatusCode.InvalidArgument, "new_sites.image[1] is 1: the hello named 1 images"),
        ["image length"] = (b => b.NewSites.Image.Add(0), StatusCode.InvalidArgument, "new_sites.image has 1 rows, address_delta has 2"),
        ["kind length"] = (b => b.NewSites.Kind.Add(0), StatusCode.InvalidArgument, "new_sites.kind has 3 rows, address_delta has 2"),
        ["traps length"] = (b => b.Traps.Add(1), StatusCode.InvalidArgument, "traps has 3 rows, site has 2"),
        ["elements length"] = (b => b.Elements.Add(1), StatusCode.InvalidArgument, "elements has 1 rows, site has 2"),
        ["unknown operation"] = (b => b.NewSites.NewKinds[0].Operation = (Operation)99, StatusCode.InvalidArgument, "new_kinds.operation is 99"),
        ["size"] = (b => b.NewSites.NewKinds[0].Size = 3, StatusCode.InvalidArgument, "new_kinds.size is 3"),
        ["outcome"] = (b => b.NewSites.NewKinds[0].Outcome = (Outcome)3, StatusCode.InvalidArgument, "new_kinds.outcome is 3"),
        ["target characters"] = (b => b.NewSites.NewKinds[0].Target = "a b", StatusCode.InvalidArgument, "new_kinds.target is \"a b\""),
        ["target length"] = (b => b.NewSites.NewKinds[0].Target = new string('a', 65), StatusCode.InvalidArgument, "expected 1 to 64 characters"),
        ["more traps than positions"] = (b => b.Traps[0] = 10, StatusCode.InvalidArgument, "11 traps in 10 positions [0, 10)"),
        ["from beyond to"] = (b => b.From = 11, StatusCode.InvalidArgument, "positions [11, 10)"),
        ["rows at no position"] = (b => b.To = 0, StatusCode.InvalidArgument, "an empty range carries counters alone"),
        ["to beyond 2^63"] = (b => b.To = 1UL << 63, StatusCode.InvalidArgument, "both below 2^63"),
        ["ring not named"] = (b => b.Ring = 4, StatusCode.InvalidArgument, "ring 4 was not named in the hello"),
        ["count of a row"] = (b => b.Elements.Add([Huge + 1, 0]), StatusCode.InvalidArgument, "row 0 counts 1 executions and 281474976710657 elements"),
        ["drop without reason"] = (b => b.Drops.Add(new Drop { Traps = 1 }), StatusCode.InvalidArgument, "reason must be set"),
        ["drops beyond positions"] = (b => b.Drops.Add(new Drop { Reason = DropReason.CorruptRecord, Traps = 9 }), StatusCode.InvalidArgument, "11 traps in 10 positions"),
    };

    private TestDatabase _database = null!;
    private LoopServer _server = null!;

    public static TheoryData<string> Cases => [.. Batches.Keys];

    public async ValueTask InitializeAsync()
    {
        _database = await TestCluster.Instance.CreateAsync();
        _server = await LoopServer.StartAsync(_database.ConnectionString, change: o => o with { MaxBatchRows = 3, MaxSites = 4 });
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _database.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task A_malformed_batch_is_refused(string name)
    {
        (Action<Batch> breaking, StatusCode status, string message) = Batches[name];
        using RawStream stream = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w"));
        Batch batch = stream.Batch(0, 10, (0x1000, 1), (0x2000, 1));
        breaking(batch);

        await stream.SendAsync(batch);
        Status end = await stream.EndAsync();

        Assert.Equal(status, end.StatusCode);
        Assert.Contains(message, end.Detail, StringComparison.Ordinal);
        await _database.AssertTrapsAsync(0);
        Assert.Equal(0, await _database.ValueAsync<long>("SELECT position FROM reheat_data.marks"));
    }

    [Fact]
    public async Task Limits_end_the_stream_with_RESOURCE_EXHAUSTED()
    {
        using (RawStream rows = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w")))
        {
            Batch named = rows.Batch(0, 4, (1, 1), (2, 1), (3, 1), (4, 1));
            named.Site.Clear();
            named.Traps.Clear();
            await rows.SendAsync(named);
            Status end = await rows.EndAsync();
            Assert.Equal(StatusCode.ResourceExhausted, end.StatusCode);
            Assert.Contains("new_sites has 4 rows: at most 3 a batch", end.Detail, StringComparison.Ordinal);
        }
        using (RawStream many = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w")))
        {
            await many.SendAsync(many.Batch(0, 5, (1, 1), (1, 1), (1, 1), (1, 1)));
            Status end = await many.EndAsync();
            Assert.Equal(StatusCode.ResourceExhausted, end.StatusCode);
            Assert.Contains("4 rows: at most 3 a batch", end.Detail, StringComparison.Ordinal);
        }
        using RawStream sites = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w"));
        await sites.CountAsync(sites.Batch(0, 3, (1, 1), (2, 1), (3, 1)));
        await sites.SendAsync(sites.Batch(3, 5, (4, 1), (5, 1)));
        Status last = await sites.EndAsync();
        Assert.Equal(StatusCode.ResourceExhausted, last.StatusCode);
        Assert.Contains("the stream names 5 sites: at most 4 a stream", last.Detail, StringComparison.Ordinal);
        await _database.AssertTrapsAsync(3);
    }

    [Fact]
    public async Task The_first_request_must_be_a_hello_and_no_second_one_may_follow()
    {
        using (RawStream noHello = await RawStream.OpenWithAsync(_server.Address, new IngestRequest { Batch = new Batch() }))
        {
            Status end = await noHello.EndAsync();
            Assert.Equal((StatusCode.InvalidArgument, "the first request must be a hello"), (end.StatusCode, end.Detail));
        }
        using RawStream twice = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w"));
        await twice.SendAsync(new IngestRequest { Hello = RawStream.Hello("w") });
        Assert.Equal(StatusCode.InvalidArgument, (await twice.EndAsync()).StatusCode);
    }

    [Fact]
    public async Task A_malformed_hello_is_refused_with_the_field_and_its_value()
    {
        (Action<Hello> Break, string Message)[] cases =
        [
            (h => h.Wedge = "", "hello.wedge has 0 characters"),
            (h => h.Wedge = new string('w', 201), "hello.wedge has 201 characters"),
            (h => h.Guest = "a\nb", "control characters"),
            (h => h.Epoch = 0, "hello.epoch is 0"),
            (h => h.Agent = 0, "hello.agent is 0"),
            (h => h.EpochUnixNs = -5, "hello.epoch_unix_ns is -5"),
            (h => h.Rings.Clear(), "hello names 0 rings"),
            (h => h.Rings.Add(0), "names a ring twice"),
            (h => h.Rings.Add(uint.MaxValue), "ring beyond 2^31"),
            (h => h.Images[0].BuildId = ByteString.Empty, "image vmlinux has a build-id of 0 bytes"),
            (h => h.Images[0].BuildId = ByteString.CopyFrom(new byte[65]), "build-id of 65 bytes"),
        ];
        foreach ((Action<Hello> breaking, string message) in cases)
        {
            Status refused = await RawStream.RefusedAsync(_server.Address, RawStream.Hello("w", breaking));
            Assert.Equal(StatusCode.InvalidArgument, refused.StatusCode);
            Assert.Contains(message, refused.Detail, StringComparison.Ordinal);
        }
        Assert.Equal(0, await _database.ValueAsync<long>("SELECT count(*) FROM reheat_data.wedges"));
    }

    [Fact]
    public async Task Malformed_bytes_of_a_site_are_refused()
    {
        foreach ((uint site, byte[] code, string message) in ((uint, byte[], string)[])[(1, [1], "names site 1: the stream has named 1"), (0, [], "has 0 bytes"), (0, new byte[16], "has 16 bytes")])
        {
            using RawStream stream = await RawStream.OpenAsync(_server.Address, RawStream.Hello("w"));
            await stream.SendAsync(stream.Batch(0, 1, (0x1000, 0)));
            await stream.SendAsync(new IngestRequest { SiteBytes = new SiteBytes { Codes = { new SiteCode { Site = site, Code = ByteString.CopyFrom(code) } } } });
            Status end = await stream.EndAsync();
            Assert.Equal(StatusCode.InvalidArgument, end.StatusCode);
            Assert.Contains(message, end.Detail, StringComparison.Ordinal);
        }
    }
}
