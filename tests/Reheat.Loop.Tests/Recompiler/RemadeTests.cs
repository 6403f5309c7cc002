using Google.Protobuf;
using Reheat.Loop.Tests.Fixtures;
using Reheat.V1;
using Xunit;

namespace Reheat.Loop.Tests.Recompiler;

/// <summary>Lists are made anew when something that they go by has changed, and nobody asks.</summary>
public sealed class RemadeTests : IAsyncLifetime
{
    private static readonly byte[] Wrong = [0x0f, 0x0b];

    private readonly TestImage _image = TestImage.Get();
    private TestDatabase _database = null!;

    public async ValueTask InitializeAsync() => _database = await TestCluster.Instance.CreateAsync();

    public ValueTask DisposeAsync() => _database.DisposeAsync();

    [Fact]
    public async Task A_site_that_gets_its_quorum_by_counts_alone_is_annotated()
    {
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, recompiler: true,
            changeRecompiler: o => o with { MinimumTraps = 10, MinimumWedges = 2, QuorumLookEvery = TimeSpan.FromMilliseconds(100) });
        await server.RegisterAsync("s", _image.Path);
        ulong read = _image.Find("read_reg", "mov").Address;
        await ListTests.TraceAsync(server, _image.BuildId, "one", (read, Operation.DeviceRead, 4, 8));
        await StateAsync("refused: quorum-not-met");
        long jobs = await _database.ValueAsync<long>("SELECT count(*) FROM reheat_data.jobs");

        await ListTests.TraceAsync(server, _image.BuildId, "one-more", (read, Operation.DeviceRead, 4, 1));
        await Task.Delay(500);
        Assert.Equal(jobs, await _database.ValueAsync<long>("SELECT count(*) FROM reheat_data.jobs")); // no work before it is met
        await ListTests.TraceAsync(server, _image.BuildId, "third", (read, Operation.DeviceRead, 4, 1));

        await StateAsync("listed");
    }

    [Fact]
    public async Task Wrong_bytes_of_a_site_are_asked_for_again_and_right_ones_stay()
    {
        await using LoopServer server = await LoopServer.StartAsync(_database.ConnectionString, recompiler: true);
        await server.RegisterAsync("s", _image.Path);
        Disassembled write = _image.Find("write_reg", "mov");
        byte[] right = ImageBytes(write);

        using RawStream biased = await TellAsync(server, write, "biased", Wrong);
        await StateAsync("refused: bytes-differ");
        using RawStream hostile = await TellAsync(server, write, "hostile", Wrong);
        await Task.Delay(300);
        await StateAsync("refused: bytes-differ");
        using RawStream honest = await TellAsync(server, write, "honest", right);
        await StateAsync("listed");

        // Nobody is asked now, and what nobody was asked for is passed over.
        using RawStream late = await OpenAsync(server, "late");
        await CountAsync(late, write, 1);
        await SendAsync(late, Wrong);
        await SendAsync(biased, Wrong);
        await late.CompleteAsync();
        await biased.CompleteAsync();
        await server.Annotations.PullAsync(new PullRequest { Fresh = true });
        await StateAsync("listed");
        Assert.Equal(right, await _database.ValueAsync<byte[]>("SELECT code FROM reheat_data.sites"));
    }

    private byte[] ImageBytes(Disassembled instruction)
    {
        using Core.Elf.ElfImage elf = Core.Elf.ElfImage.Open(_image.Path);
        return elf.BytesAt(new Core.ImageAddress(instruction.Address), instruction.Length).ToArray();
    }

    /// <summary>A stream that counts the site, is asked for its bytes and tells these.</summary>
    private async Task<RawStream> TellAsync(LoopServer server, Disassembled site, string wedge, byte[] code)
    {
        RawStream stream = await OpenAsync(server, wedge);
        await stream.SendAsync(BatchOf(site, 0));
        Assert.Equal([0u], (await stream.NextAsync(IngestResponse.MessageOneofCase.WantedSites)).WantedSites.Site);
        await stream.AckAsync();
        await SendAsync(stream, code);
        await stream.CountAsync(new Batch { From = 1, To = 1 }); // the bytes are stored
        return stream;
    }

    private Task<RawStream> OpenAsync(LoopServer server, string wedge) =>
        RawStream.OpenAsync(server.Address, RawStream.Hello(wedge, h => h.Images[0].BuildId = ByteString.CopyFrom(_image.BuildId.ToBytes())));

    private static Task<ulong> CountAsync(RawStream stream, Disassembled site, ulong to)
    {
        Batch batch = BatchOf(site, to - 1);
        return stream.CountAsync(batch);
    }

    private static Batch BatchOf(Disassembled site, ulong from) => new()
    {
        From = from,
        To = from + 1,
        NewSites = new SiteColumns { NewKinds = { RawStream.Kind() }, AddressDelta = { (long)site.Address }, Kind = { 0 } },
        Site = { 0 },
    };

    private static Task SendAsync(RawStream stream, byte[] code) =>
        stream.SendAsync(new IngestRequest { SiteBytes = new SiteBytes { Codes = { new SiteCode { Site = 0, Code = ByteString.CopyFrom(code) } } } });

    private Task StateAsync(string state) =>
        Eventually.HoldsAsync(async () => await _database.ValueAsync<string>("SELECT state FROM reheat.sites") == state, $"the site is {state}");
}
