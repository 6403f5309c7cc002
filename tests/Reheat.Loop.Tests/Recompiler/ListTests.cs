using Google.Protobuf;
using Reheat.Core;
using Reheat.Core.Annotations;
using Reheat.Loop.Tests.Fixtures;
using Reheat.V1;
using Xunit;
using AnnotationList = Reheat.V1.AnnotationList;
using Operation = Reheat.V1.Operation;

namespace Reheat.Loop.Tests.Recompiler;

/// <summary>Traces of a real image → its list, compared with what objdump says of the same file.</summary>
public sealed class ListTests : IAsyncLifetime
{
    private readonly TestImage _image = TestImage.Get();
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
    public async Task Every_real_access_is_annotated_where_objdump_sees_it()
    {
        (Disassembled Instruction, Operation Operation, uint Size)[] accesses =
        [
            (_image.Find("read_reg", "mov"), Operation.DeviceRead, 4),
            (_image.Find("write_reg", "mov"), Operation.DeviceWrite, 4),
            (_image.Find("exchange_reg", "xchg"), Operation.DeviceExchange, 4),
            (_image.Find("set_bits", "or"), Operation.DeviceExchange, 4),
            (_image.Find("fill", "stos"), Operation.DeviceWrite, 4),
        ];
        await _server.RegisterAsync("s", _image.Path);
        await TraceAsync([.. accesses.Select((a, i) => (a.Instruction.Address, a.Operation, a.Size, (ulong)i + 1))]);

        AnnotationList list = await PullAsync();

        Assert.Equal((accesses.Length, 0), (list.Annotations, list.Refused));
        IReadOnlyList<(long Address, string Function, long Offset, string Unit, string Source, string Instruction, string State)> sites =
            await _database.RowsAsync<(long, string, long, string, string, string, string)>(
                "SELECT address, function, function_offset, unit, source, instruction, state FROM reheat.sites ORDER BY address");
        Assert.Equal(accesses.Select(a => (long)a.Instruction.Address).Order(), sites.Select(s => s.Address));
        foreach ((long address, string function, long offset, string unit, string source, string instruction, string state) in sites)
        {
            Disassembled seen = _image.Instructions.Single(i => i.Address == (ulong)address);
            Assert.Equal((seen.Function, "listed"), (function, state));
            Assert.Equal(seen.Address, _image.Instructions.First(i => i.Function == function).Address + (ulong)offset);
            Assert.Contains(seen.Mnemonic, instruction, StringComparison.Ordinal);
            Assert.EndsWith("device.c", unit, StringComparison.Ordinal);
            Assert.Contains(LineOf(address), source, StringComparison.Ordinal);
        }
        AnnotationListResult body = AnnotationListReader.Read(list.Body, "body");
        Assert.Empty(body.Diagnostics);
        Assert.Equal(["exchange_reg", "fill", "read_reg", "set_bits", "write_reg"], body.List.Units.SelectMany(u => u.Functions).Select(f => f.Name).Order());
        (Provenance provenance, IReadOnlyList<Diagnostic> faults) = ProvenanceReader.Read(list.Provenance, "provenance");
        Assert.Empty(faults);
        Assert.Equal(accesses.Sum(a => (long)Array.IndexOf(accesses, a) + 1), provenance.Sites.Sum(s => s.Traps));
        Assert.Equal([_image.BuildId], provenance.Images);
    }

    [Fact]
    public async Task What_the_image_does_not_confirm_is_refused_with_its_reason()
    {
        Disassembled read = _image.Find("read_reg", "mov"), or = _image.Find("set_bits", "or");
        Disassembled hole = _image.Instructions.First(i => i.Address > _image.Instructions.Last(e => e.Function == "entry" && e.Mnemonic == "jmp").Address);
        await _server.RegisterAsync("s", _image.Path);
        await TraceAsync(
            (read.Address, Operation.DeviceWrite, 4, 1),
            (read.Address, Operation.DeviceRead, 8, 1),
            (or.Address + 1, Operation.DeviceExchange, 4, 1),
            (hole.Address, Operation.DeviceWrite, 4, 1),
            (0x10, Operation.DeviceWrite, 4, 1),
            (_image.Instructions.First(i => i.Mnemonic == "ret").Address, Operation.DeviceRead, 8, 1));

        AnnotationList list = await PullAsync();

        Assert.Equal(0, list.Annotations);
        Assert.Equal(5, list.Refused); // sites, one of which was traced in two ways
        Dictionary<(long, string, short), string> states = (await _database.RowsAsync<(long Address, string Operation, short Size, string State)>(
            "SELECT address, operation, size, state FROM reheat.sites")).ToDictionary(s => (s.Address, s.Operation, s.Size), s => s.State);
        Assert.Equal("refused: operation-mismatch", states[((long)read.Address, "write", 4)]);
        Assert.Equal("refused: size-mismatch", states[((long)read.Address, "read", 8)]);
        Assert.Equal("refused: not-an-instruction", states[((long)or.Address + 1, "exchange", 4)]);
        Assert.Equal("refused: outside-function", states[((long)hole.Address, "write", 4)]);
        Assert.Equal("refused: outside-image", states[(0x10, "write", 4)]);
        Assert.StartsWith("refused: ", states[((long)_image.Instructions.First(i => i.Mnemonic == "ret").Address, "read", 8)], StringComparison.Ordinal);
        Assert.Equal(6, await _database.ValueAsync<long>("SELECT count(*) FROM reheat.residual_sites WHERE state LIKE 'refused: %'"));
    }

    [Fact]
    public async Task The_same_sites_give_the_same_bytes_and_only_another_body_is_another_version()
    {
        await _server.RegisterAsync("s", _image.Path);
        await TraceAsync((_image.Find("read_reg", "mov").Address, Operation.DeviceRead, 4, 3));
        AnnotationList first = await PullAsync();
        AnnotationList again = await PullAsync();
        await TraceAsync("other", (_image.Find("read_reg", "mov").Address, Operation.DeviceRead, 4, 5));
        AnnotationList more = await PullAsync();
        await TraceAsync("third", (_image.Find("write_reg", "mov").Address, Operation.DeviceWrite, 4, 1));
        AnnotationList grown = await PullAsync();

        Assert.Equal((first.Version, first.Body, first.Provenance), (again.Version, again.Body, again.Provenance));
        Assert.Equal((first.Version, first.Body), (more.Version, more.Body));
        Assert.NotEqual(first.Provenance, more.Provenance);
        Assert.Equal(first.Version + 1, grown.Version);
        Assert.Equal(first.Body, (await _server.Annotations.PullAsync(new PullRequest { Version = first.Version })).Body);
    }

    [Fact]
    public async Task Another_collector_and_another_database_make_the_same_list_of_the_same_traces()
    {
        (ulong, Operation, uint, ulong)[] traces =
        [
            (_image.Find("read_reg", "mov").Address, Operation.DeviceRead, 4, 3),
            (_image.Find("write_reg", "mov").Address, Operation.DeviceWrite, 4, 2),
        ];
        await _server.RegisterAsync("s", _image.Path);
        await TraceAsync(traces);
        AnnotationList here = await PullAsync();
        await using TestDatabase database = await TestCluster.Instance.CreateAsync();
        await using LoopServer server = await LoopServer.StartAsync(database.ConnectionString, recompiler: true);
        await TraceAsync(server, _image.BuildId, "w", [.. traces.Reverse()]);
        await server.RegisterAsync("s", _image.Path);
        AnnotationList there = await server.Annotations.PullAsync(new PullRequest { Fresh = true });

        Assert.Equal((here.Body, here.Provenance), (there.Body, there.Provenance));
    }

    [Fact]
    public async Task An_image_that_cannot_be_put_together_is_refused_and_does_not_take_the_others_with_it()
    {
        TestImage broken = TestImage.Get(1);
        await _server.RegisterAsync("s", _image.Path, broken.Path);
        byte[] junk = [.. Enumerable.Repeat((byte)0x5a, 64)];
        await _database.ExecuteAsync(
            """
            INSERT INTO reheat_data.parts VALUES (sha256(@junk), 64, @packed);
            UPDATE reheat_data.image_parts SET sha256 = sha256(@junk) WHERE build_id = @id
            """, new { junk, packed = Store.Builds.PartStore.Pack(junk), id = broken.BuildId.ToBytes() });
        await TraceAsync((_image.Find("read_reg", "mov").Address, Operation.DeviceRead, 4, 3));
        await TraceAsync(_server, broken.BuildId, "other", (broken.Find("read_reg", "mov").Address, Operation.DeviceRead, 4, 3));

        AnnotationList list = await PullAsync();

        Assert.Equal((1, 1), (list.Annotations, list.Refused));
        Assert.Equal([("device0.elf", "listed", ""), ("device1.elf", "refused: outside-image", "what is stored of device1.elf cannot be read — register it again with `reheat builds add`")],
            await _database.RowsAsync<(string, string, string)>("SELECT image, state, detail FROM reheat.sites ORDER BY image"));
        Assert.Contains(_server.Log.Warnings, w => w.Contains("device1.elf", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_stripped_image_is_annotated_once_the_whole_one_came()
    {
        Disassembled read = _image.Find("read_reg", "mov");
        await _server.RegisterAsync("s", _image.Stripped(_scratch));
        await TraceAsync((read.Address, Operation.DeviceRead, 4, 3));
        AnnotationList without = await PullAsync();
        await _server.RegisterAsync("s", _image.Path);
        AnnotationList with = await PullAsync();

        Assert.Equal((0, 1), (without.Annotations, with.Annotations));
    }

    [Fact]
    public async Task Traces_of_an_image_that_no_build_has_are_in_a_view_of_their_own_until_it_is_registered()
    {
        TestImage running = TestImage.Get(2);
        await _server.RegisterAsync("s", _image.Path);
        await TraceAsync(_server, running.BuildId, "w", (running.Find("read_reg", "mov").Address, Operation.DeviceRead, 4, 7));

        CoverageResponse coverage = await _server.Coverage.GetCoverageAsync(new BuildSelector());
        ListSitesResponse sites = await _server.Coverage.ListSitesAsync(new ListSitesRequest());

        var expected = new UnregisteredImage { BuildId = running.BuildId.ToString(), Sites = 1, Traps = 7 };
        Assert.Equal([expected], coverage.Unregistered);
        Assert.Equal([expected], sites.Unregistered);
        await _server.RegisterAsync("s", running.Path);
        Assert.Empty(await _database.RowsAsync<string>("SELECT build_id FROM reheat.unregistered_images"));
        Assert.Equal(1, (await PullAsync()).Annotations);
    }

    private string LineOf(long address)
    {
        // addr2line: "/somewhere/device.c:13" or "… (discriminator 1)".
        string place = Tool.Run("addr2line", "-e", _image.Path, $"0x{address:x}").Trim().Split(' ')[0];
        return Path.GetFileName(place);
    }

    private async Task<AnnotationList> PullAsync() => await _server.Annotations.PullAsync(new PullRequest { Fresh = true });

    private Task TraceAsync(params (ulong Address, Operation Operation, uint Size, ulong Traps)[] sites) => TraceAsync("w", sites);

    private Task TraceAsync(string wedge, params (ulong Address, Operation Operation, uint Size, ulong Traps)[] sites) =>
        TraceAsync(_server, _image.BuildId, wedge, sites);

    internal static async Task TraceAsync(LoopServer server, BuildId image, string wedge, params (ulong Address, Operation Operation, uint Size, ulong Traps)[] sites)
    {
        using RawStream stream = await RawStream.OpenAsync(server.Address, RawStream.Hello(wedge, h => h.Images[0].BuildId = ByteString.CopyFrom(image.ToBytes())));
        var batch = new Batch { NewSites = new SiteColumns() };
        ulong last = 0;
        foreach ((ulong address, Operation operation, uint size, ulong traps) in sites)
        {
            batch.NewSites.NewKinds.Add(new SiteKind { Operation = operation, Size = size, Target = "lapic", Outcome = V1.Outcome.Trap });
            batch.NewSites.AddressDelta.Add(unchecked((long)(address - last)));
            last = address;
            batch.NewSites.Kind.Add((uint)batch.Site.Count);
            batch.Site.Add((uint)batch.Site.Count);
            batch.Traps.Add(traps);
            batch.To += traps;
        }
        await stream.CountAsync(batch);
        await stream.CompleteAsync();
    }
}
