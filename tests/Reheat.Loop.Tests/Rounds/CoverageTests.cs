using Grpc.Core;
using Reheat.Cli.Client;
using Reheat.Cli.Terminal;
using Reheat.Loop.Tests.Fixtures;
using Reheat.V1;
using Xunit;
using Operation = Reheat.V1.Operation;

namespace Reheat.Loop.Tests.Rounds;

/// <summary>What is known of a build rests on the records in its own images.</summary>
public sealed class CoverageTests : IAsyncLifetime
{
    private readonly RoundImage _padded = RoundImage.Build(Sites.Padded, 0, "-DOMIT");
    private RoundServer _rounds = null!;
    private long _build;

    public async ValueTask InitializeAsync()
    {
        _rounds = await RoundServer.StartAsync();
        RoundImage plain = RoundImage.Build(Sites.Plain);
        await _rounds.RegisterAsync(plain);
        await _rounds.RunAsync(plain, RoundServer.FirstRun);
    }

    public ValueTask DisposeAsync() => _rounds.DisposeAsync();

    [Fact]
    public async Task A_build_knows_the_sites_that_its_images_say_can_be_rewritten()
    {
        _build = await _rounds.RegisterAsync(_padded);

        Image image = Assert.Single((await _rounds.Server.Builds.GetAsync(new BuildSelector { Build = _build })).Images);
        Assert.Equal(new Dictionary<string, ulong> { ["ioapic"] = 1, ["lapic"] = 2 }, new Dictionary<string, ulong>(image.Annotated));
        Assert.Equal([("ioapic", (long)_padded["swap_site"], (long)_padded["swap_site_end"], 2), ("lapic", (long)_padded["poll_read"], (long)_padded["poll_read_end"], 2),
            ("lapic", (long)_padded["poll_write"], (long)_padded["poll_write_end"], 2)],
            await _rounds.Database.RowsAsync<(string, long, long, int)>(
                "SELECT target, address, end_address, class FROM reheat.annotated_sites WHERE build = @_build ORDER BY target, address", new { _build }));
        Assert.Empty((await _rounds.Server.Builds.GetAsync(new BuildSelector { Build = 1 })).Images[0].Annotated);
    }

    [Fact]
    public async Task Coverage_is_of_hits_of_recorded_sites_and_what_cannot_be_true_counts_against_it()
    {
        _build = await _rounds.RegisterAsync(_padded);
        await _rounds.RunAsync(_padded,
            new Seen("poll_read", Operation.DeviceRead, "lapic", 0, 70), new Seen("poll_write", Operation.DeviceWrite, "lapic", 5, 15),
            new Seen("swap_site", Operation.DeviceExchange, "ioapic", 0, 9),
            new Seen("rare_site", Operation.DeviceWrite, "hpet", 1, 3)); // no record of it: nothing can have been rewritten there

        CoverageResponse coverage = await _rounds.Server.Coverage.GetCoverageAsync(new BuildSelector { Build = _build });

        Assert.Equal(
            [("hpet", "write", 1UL, 0UL, 3UL, 0.0, 0UL), ("ioapic", "exchange", 0UL, 9UL, 0UL, 1.0, 1UL), ("lapic", "read", 0UL, 70UL, 0UL, 1.0, 1UL), ("lapic", "write", 5UL, 15UL, 0UL, 0.75, 1UL)],
            coverage.Rows.OrderBy(r => r.Target).ThenBy(r => r.Operation).Select(r => (r.Target, r.Operation, r.Traps, r.Hits, r.HitsWithoutRecord, r.Coverage, r.Annotated)));
        Assert.Equal([("poll", 15L, 0L), ("rare", 3L, 3L)], await _rounds.Database.RowsAsync<(string, long, long)>(
            """
            SELECT function, hits, hits_without_record FROM reheat.residual_sites WHERE build = @_build AND function IS NOT NULL ORDER BY function
            """, new { _build = await PulledAsync() }));
        CoverageResponse before = await _rounds.Server.Coverage.GetCoverageAsync(new BuildSelector { Build = 1 });
        Assert.All(before.Rows, r => Assert.Equal(0, r.Coverage));
    }

    [Fact]
    public async Task Every_residual_site_has_its_reason()
    {
        using var scratch = new Scratch();
        string report = scratch.File("report");
        await File.WriteAllLinesAsync(report,
        [
            Line("/b/old.o", Site("rounds.S", "rare", 0, "lost", "function-not-found")), // assembled again below: the last line counts
            Line("/b/old.o", Site(await UnitAsync(), "rare", 0, "refused", "exception-table", "by way of example")),
            Line("/b/other.o", Site("other.c", "elsewhere", 7, "lost", "function-changed"), Site("other.c", "fine", 1, "annotated", "")),
            "{\"reheat\":2}", "no JSON", "{\"reheat\":1,\"path\":\"/b/bad.o\",\"sites\":[{\"ordinal\":1,\"state\":\"strange\"}]}",
        ]);
        (IReadOnlyList<SecondPassSite> sites, IReadOnlyList<Core.Diagnostic> diagnostics) = SecondPassReportFile.Read(report);
        Assert.Equal([4, 5, 6], diagnostics.Select(d => int.Parse(d.Place.Split(':')[^1], System.Globalization.CultureInfo.InvariantCulture)));
        Assert.Equal(3, sites.Count);
        using var connection = new Connection(_rounds.Server.Address);
        _build = (await BuildUpload.RunAsync(connection, new Screen(json: true), [_padded.Path], "s", "", sites, CancellationToken.None)).Build.Build_;
        await _rounds.RunAsync(_padded, [.. RoundServer.FirstRun, new Seen("poll", Operation.DeviceWrite, "lapic", 2), new Seen("_start", Operation.DeviceWrite, "lapic", 1)]);
        await PulledAsync();

        Dictionary<string, (string State, string Reason)> reasons = (await _rounds.Database.RowsAsync<(long Address, string State, string Reason)>(
            "SELECT address, state, reason FROM reheat.residual_sites WHERE build = @_build", new { _build }))
            .ToDictionary(r => new[] { "poll_read", "poll_write", "swap_site", "rare_site", "poll", "_start" }.Single(l => (long)_padded[l] == r.Address), r => (r.State, r.Reason));

        Assert.Equal(("refused: exception-table", "refused by the second pass: exception-table"), reasons["rare_site"]);
        Assert.Equal("annotated", reasons["poll_read"].State);
        Assert.StartsWith("annotated, and trapped all the same", reasons["poll_read"].Reason, StringComparison.Ordinal);
        Assert.Equal(("refused: no-memory-access", "not listed: no-memory-access"), reasons["poll"]);
        Assert.DoesNotContain(reasons.Values, r => string.IsNullOrEmpty(r.Reason));
        Assert.Equal([("listed", "listed; this image has no annotation at all")],
            await _rounds.Database.RowsAsync<(string, string)>("SELECT DISTINCT state, reason FROM reheat.residual_sites WHERE build = 1"));
        Assert.Equal(["by way of example"], await _rounds.Database.RowsAsync<string>("SELECT detail FROM reheat.sites WHERE build = @_build AND function = 'rare'", new { _build }));

        // The next build's second pass assembled one other unit anew: the rest stands as it was reported before.
        RoundImage next = RoundImage.Build(Sites.Padded, 1, "-DOMIT");
        _build = (await BuildUpload.RunAsync(connection, new Screen(json: true), [next.Path], "s", "",
            [new SecondPassSite { Unit = "other.c", Function = "elsewhere", Ordinal = 7, State = SecondPassState.Annotated }], CancellationToken.None)).Build.Build_;
        Assert.Equal([("other.c", "elsewhere", "annotated", ""), (await UnitAsync(), "rare", "refused", "exception-table")],
            await _rounds.Database.RowsAsync<(string, string, string, string)>(
                "SELECT unit, function, state, coalesce(refusal, '') FROM reheat.second_pass WHERE build = @_build ORDER BY function", new { _build }));
    }

    [Fact]
    public async Task A_site_that_is_listed_and_neither_annotated_nor_reported_is_not_yet_in_the_build()
    {
        _build = await _rounds.RegisterAsync(_padded);
        await _rounds.RunAsync(_padded, new Seen("rare_site", Operation.DeviceWrite, "hpet", 1));
        await PulledAsync();

        Site site = Assert.Single((await _rounds.Server.Coverage.ListSitesAsync(new ListSitesRequest { Build = new BuildSelector { Build = _build } })).Sites);
        Assert.Equal(("listed", "listed, not yet in this build"), (site.State, site.Reason));
    }

    [Fact]
    public async Task A_report_or_records_that_make_no_sense_are_refused()
    {
        AddBuildRequest[] head = [new() { Build = new NewBuild { Series = "s" } }, new() { Image = new V1.NewImage { BuildId = Google.Protobuf.ByteString.CopyFrom(1, 2, 3), Name = "x", Machine = 62 } }];
        foreach (SecondPassSite bad in (SecondPassSite[])
        [
            new() { Unit = "u", Function = "", Ordinal = 1, State = SecondPassState.Annotated },
            new() { Unit = "u", Function = "f", Ordinal = 1 },
            new() { Unit = "u", Function = "f", Ordinal = 1, State = SecondPassState.Lost },
            new() { Unit = new string('u', 601), Function = "f", Ordinal = 1, State = SecondPassState.Annotated },
            new() { Unit = "u", Function = "f", Ordinal = uint.MaxValue, State = SecondPassState.Annotated },
        ])
        {
            Status status = await _rounds.Server.RefusedAsync([.. head, new AddBuildRequest { Report = new SecondPassReport { Sites = { bad } } }]);
            Assert.Equal(StatusCode.InvalidArgument, status.StatusCode);
        }
        byte[] junk = [9, 9, 9];
        byte[] sha256 = System.Security.Cryptography.SHA256.HashData(junk);
        head[1].Image.Parts.Add(new PartRef { Kind = PartKind.Annotated, Sha256 = Google.Protobuf.ByteString.CopyFrom(sha256), RawSize = 3 });
        Status records = await _rounds.Server.RefusedAsync([.. head, new AddBuildRequest
        {
            Part = new Part { Sha256 = Google.Protobuf.ByteString.CopyFrom(sha256), RawSize = 3, Packed = Google.Protobuf.ByteString.CopyFrom(Store.Builds.PartStore.Pack(junk)), Last = true },
        }]);
        Assert.Equal(StatusCode.InvalidArgument, records.StatusCode);
        Assert.Contains("annotation records", records.Detail, StringComparison.Ordinal);
    }

    private async Task<long> PulledAsync()
    {
        await _rounds.PullAsync(_build);
        return _build;
    }

    private async Task<string> UnitAsync()
    {
        await _rounds.PullAsync(1);
        return (await _rounds.Database.ValueAsync<string>("SELECT min(unit) FROM reheat.sites WHERE build = 1"))!;
    }

    private static string Line(string path, params string[] sites) =>
        $$"""{"reheat":1,"output":"x.o","path":"{{path}}","unit":"u","sites":[{{string.Join(',', sites)}}],"diagnostics":[],"seconds":0.1}""";

    private static string Site(string unit, string function, int ordinal, string state, string refusal, string detail = "") =>
        $$"""{"unit":"{{unit}}","function":"{{function}}","ordinal":{{ordinal}},"instruction":"x","operations":["write:4:lapic"],"state":"{{state}}","match":"exact","confidence":0.75,"refusal":"{{refusal}}","detail":"{{detail}}","flags":[]}""";
}
