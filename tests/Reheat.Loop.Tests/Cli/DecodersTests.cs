using System.Text.Json;
using Reheat.Loop.Tests.Fixtures;
using Reheat.V1;
using Xunit;

namespace Reheat.Loop.Tests.Cli;

/// <summary><c>reheat sites --tdx</c>: the list that the kernel's maintainers asked for, from traces to the table.</summary>
public sealed class DecodersTests : IAsyncLifetime
{
    private readonly TestImage _image = TestImage.Get(13);
    private TestDatabase _database = null!;
    private LoopServer _server = null!;

    public async ValueTask InitializeAsync()
    {
        _database = await TestCluster.Instance.CreateAsync();
        _server = await LoopServer.StartAsync(_database.ConnectionString, recompiler: true);
        long build = (await _server.RegisterAsync("guest", _image.Path)).Build.Build_;
        await Recompiler.ListTests.TraceAsync(_server, _image.BuildId, "one",
            (At("read_reg", "mov"), Operation.DeviceRead, 4, 30), (At("write_reg", "mov"), Operation.DeviceWrite, 4, 70),
            (At("exchange_reg", "xchg"), Operation.DeviceExchange, 4, 5), (At("fill", "stos"), Operation.DeviceWrite, 4, 6),
            (At("set_bits", "or"), Operation.PageTableExchange, 4, 9), (_image.Code[0].End.Value + 0x100, Operation.DeviceRead, 4, 1));
        await _server.Annotations.PullAsync(new PullRequest { Build = new BuildSelector { Build = build }, Fresh = true });
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync();
        await _database.DisposeAsync();
    }

    private ulong At(string function, string mnemonic) => _image.Find(function, mnemonic).Address;

    private Task<ReheatResult> SitesAsync(params IEnumerable<string> arguments) => ReheatProcess.RunAsync(["sites", .. arguments, "--collector", _server.Address.ToString()]);

    [Fact]
    public async Task Functions_that_a_confidential_guest_cannot_decode_come_first_with_their_counts()
    {
        JsonElement json = JsonDocument.Parse((await SitesAsync("--tdx", "--json")).Output).RootElement;

        Assert.Equal(
            ["fill 6 false false", "exchange_reg 5 false false", " 1 null null", "write_reg 70 true true", "read_reg 30 true true"],
            json.GetProperty("accesses").EnumerateArray().Select(a =>
                $"{(a.GetProperty("tdx_decodable").ValueKind == JsonValueKind.Null ? "" : a.GetProperty("function").GetString())} {a.GetProperty("executions")} {Word(a.GetProperty("tdx_decodable"))} {Word(a.GetProperty("sev_decodable"))}"));
        Assert.Equal((112, 11, 11, 1), (json.GetProperty("executions").GetInt32(), json.GetProperty("not_decodable_by_tdx").GetInt32(), json.GetProperty("not_decodable_by_sev").GetInt32(), json.GetProperty("not_known").GetInt32()));

        string table = (await SitesAsync("--tdx")).Output;
        Assert.Contains("5 functions accessed devices in 112 executions; of these 11 by instructions that a TDX guest cannot decode", table, StringComparison.Ordinal);
        Assert.DoesNotContain("set_bits", table, StringComparison.Ordinal); // page tables of such a guest are its own
    }

    [Fact]
    public async Task Each_site_says_it_and_page_tables_say_nothing()
    {
        JsonElement json = JsonDocument.Parse((await SitesAsync("--json", "--all")).Output).RootElement;

        Assert.Equal(["exchange_reg false", "fill false", "read_reg true", "set_bits null", "write_reg true"],
            json.GetProperty("sites").EnumerateArray().Where(s => s.GetProperty("function").GetString()!.Length > 0)
                .Select(s => $"{s.GetProperty("function").GetString()} {Word(s.GetProperty("tdx_decodable"))}").Order(StringComparer.Ordinal));
        Assert.Equal([("exchange", false), ("pt-exchange", null)], await _database.RowsAsync<(string, bool?)>(
            "SELECT operation, sev_decodable FROM reheat.residual_sites WHERE operation LIKE '%exchange' ORDER BY operation"));
    }

    private static string Word(JsonElement verdict) => verdict.ValueKind.ToString().ToLowerInvariant();
}
