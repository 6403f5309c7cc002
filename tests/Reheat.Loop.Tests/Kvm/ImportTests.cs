using System.Text;
using System.Text.Json;
using Reheat.Core.Elf;
using Reheat.Loop.Tests.Fixtures;
using Xunit;

namespace Reheat.Loop.Tests.Kvm;

/// <summary><c>reheat import kvm</c> into a real collector: what was recorded is what is counted, whatever is in between.</summary>
public sealed partial class ImportTests(ITestOutputHelper output) : IAsyncLifetime
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

    private Task<ReheatResult> ImportAsync(params IEnumerable<string> arguments) =>
        ReheatProcess.RunAsync(["import", "kvm", .. arguments, "--json", "--collector", _server.Address.ToString()]);

    [Theory]
    [InlineData("perf-script")]
    [InlineData("trace-cmd-report")]
    [InlineData("trace-cmd-raw")]
    [InlineData("tracefs")]
    public async Task What_a_real_host_recorded_of_a_guest_is_counted_access_by_access(string name)
    {
        string? anew = Recording.Record(_scratch);
        string text = anew is null ? Recording.PathOf(name) : Path.Combine(anew, $"{name}.txt");
        output.WriteLine(anew is null ? "no /dev/kvm here: the kept recording" : "recorded anew");
        await _server.RegisterAsync("guest", Recording.GuestImage);

        ReheatResult result = await ImportAsync(text, "--image", Recording.GuestImage, "--wedge", "host");

        Assert.True(result.ExitCode == 0, result.Output + result.Errors);
        JsonElement json = JsonDocument.Parse(result.Output).RootElement;
        Assert.Equal(0, json.GetProperty("not_understood").GetInt64());
        Assert.Equal(json.GetProperty("lines").GetInt64(), json.GetProperty("understood").GetInt64() + json.GetProperty("other_events").GetInt64());
        await AssertGuestAsync(stringTraps: json.GetProperty("traps_recorded").GetInt64());
    }

    /// <summary>Every access of guest.S, by symbol.</summary>
    private async Task AssertGuestAsync(long stringTraps)
    {
        using ElfImage elf = ElfImage.Open(Recording.GuestImage);
        Dictionary<long, string> names = elf.Symbols.Where(s => s.IsDefined && s.Address is not null).GroupBy(s => (long)s.Address!.Value.Value).ToDictionary(g => g.Key, g => g.First().Name);
        var rows = (await _database.RowsAsync<(long Address, short Operation, short Size, string Target, long Traps, long Elements)>(
            """
            SELECT s.address, t.operation, t.size, g.name, t.executions, t.elements
            FROM reheat_data.site_totals t JOIN reheat_data.sites s USING (site) JOIN reheat_data.targets g USING (target)
            """)).ToDictionary(r => names[r.Address], r => $"{((Core.Operation)r.Operation).ToString().Replace("Device", "", StringComparison.Ordinal).ToLowerInvariant()}:{r.Size}:{r.Target} {r.Traps} {r.Elements}");
        const int N = Recording.Loops;
        // Where user space answers each element of a rep, each is a stop of its own.
        string moved = rows["flat_string"];
        Assert.True(moved is "write:4:mmio 20 20" or "write:4:mmio 5 20", moved);
        rows.Remove("flat_string");
        var expected =
            new SortedDictionary<string, string>(StringComparer.Ordinal)
            {
                ["real_write"] = $"write:1:mmio {N} {N}",
                ["real_read"] = $"read:2:mmio {N} {N}",
                ["flat_write_moffs"] = $"write:4:mmio {N} {N}",
                ["flat_write_imm"] = $"write:1:mmio {N} {N}",
                ["flat_read"] = $"read:4:mmio {N} {N}",
                ["flat_read_wide"] = $"read:1:mmio {N} {N}",
                ["flat_exchange"] = $"exchange:4:mmio {N} {N}",
                ["flat_lock_or"] = $"exchange:4:mmio {N} {N}",
                ["flat_eventfd"] = $"write:2:mmio {N} {N}",
                ["flat_lapic_write"] = $"write:4:lapic {N} {N}",
                ["flat_lapic_read"] = $"read:4:lapic {N} {N}",
                ["flat_ioapic_write"] = $"write:4:ioapic {N} {N}",
                ["flat_ioapic_read"] = $"read:4:ioapic {N} {N}",
                ["flat_hpet_read"] = $"read:4:hpet {N} {N}",
            };
        Assert.Equal(string.Join('\n', expected), string.Join('\n', new SortedDictionary<string, string>(rows, StringComparer.Ordinal)));
        Assert.Equal([(stringTraps, stringTraps, 0, 0, 0)], await _database.RowsAsync<(long, long, long, long, long)>(
            "SELECT recorded, stored, dropped, outside_recorded, pending FROM reheat.accounting"));
    }

    [Fact]
    public async Task The_same_text_again_counts_nothing_and_a_longer_one_goes_on_at_the_mark()
    {
        TestImage image = TestImage.Get(20);
        string text = _scratch.File("trace.txt");
        var host = new TraceWriter(image, threads: 3);
        await File.WriteAllTextAsync(text, host.Perf(3000));

        JsonElement first = await ImportedAsync(text, image);
        JsonElement again = await ImportedAsync(text, image);
        await File.AppendAllTextAsync(text, host.Perf(500));
        JsonElement longer = await ImportedAsync(text, image);

        Assert.Equal(first.GetProperty("epoch").GetString(), longer.GetProperty("epoch").GetString());
        Assert.Equal(first.GetProperty("bytes").GetInt64(), again.GetProperty("bytes_imported_before").GetInt64());
        Assert.Equal(first.GetProperty("bytes").GetInt64(), longer.GetProperty("bytes_imported_before").GetInt64());
        Assert.Equal(host.Traps, longer.GetProperty("traps_recorded").GetInt64());
        await AssertCountsAsync(host);
    }

    [Fact]
    public async Task A_pipe_is_read_as_a_file_is_and_its_dialects_tell_the_same()
    {
        TestImage image = TestImage.Get(21);
        var host = new TraceWriter(image, threads: 2);
        string report = _scratch.File("report.txt"), fifo = _scratch.File("fifo");
        await File.WriteAllTextAsync(report, host.TraceCmd(800));
        Tool.Run("mkfifo", fifo);

        Task<ReheatResult> piped = ImportAsync(fifo, "--image", image.Path, "--wedge", "piped");
        await using (var writer = new FileStream(fifo, FileMode.Open, FileAccess.Write))
        {
            foreach (byte[] piece in Encoding.UTF8.GetBytes(host.Perf(800)).Chunk(777))
                await writer.WriteAsync(piece);
        }
        ReheatResult result = await piped;
        ReheatResult other = await ImportAsync(report, "--image", image.Path, "--wedge", "reported");

        Assert.True(result.ExitCode == 0 && other.ExitCode == 0, result.Errors + other.Errors);
        await AssertCountsAsync(host);
    }

    [Fact]
    public async Task Killed_again_and_again_an_import_ends_with_every_trap_once()
    {
        TestImage image = TestImage.Get(22);
        string text = _scratch.File("long.txt");
        var host = new TraceWriter(image, threads: 4);
        await using (StreamWriter writer = File.CreateText(text))
        {
            for (int i = 0; i < 30; i++)
                await writer.WriteAsync(host.Perf(6000));
        }
        for (int kill = 0; kill < 3; kill++)
        {
            using ReheatProcess import = ReheatProcess.Start("import", "kvm", text, "--image", image.Path, "--wedge", "killed", "--collector", _server.Address.ToString());
            await Eventually.HoldsAsync(async () => await _database.ValueAsync<long>("SELECT coalesce(max(position), 0) FROM reheat_data.marks") > kill * 5_000_000, "some of it is counted");
            await import.KillAsync();
        }
        JsonElement whole = await ImportedAsync(text, image, "killed");

        Assert.True(whole.GetProperty("bytes_imported_before").GetInt64() > 0);
        await AssertCountsAsync(host);
    }

    [Fact]
    public async Task An_image_in_another_place_is_refused_and_its_place_is_found()
    {
        TestImage image = TestImage.Get(23);
        string text = _scratch.File("slid.txt");
        var host = new TraceWriter(image, threads: 1, bias: 0x1e00_0000);
        await File.WriteAllTextAsync(text, host.Perf(500));

        ReheatResult refused = await ImportAsync(text, "--image", image.Path, "--wedge", "slid");
        Assert.Equal((3, ""), (refused.ExitCode, refused.Output));
        Assert.Contains($"--image {image.Name}@0x1e000000", refused.Errors, StringComparison.Ordinal);
        await _database.AssertTrapsAsync(0);

        ReheatResult placed = await ImportAsync(text, "--image", $"{image.Path}@0x1e000000", "--wedge", "slid");
        Assert.True(placed.ExitCode == 0, placed.Errors);
        await AssertCountsAsync(host);
    }

    [Fact]
    public async Task The_kernels_own_words_tell_where_it_is()
    {
        TestImage image = TestImage.Get(24);
        string text = _scratch.File("slid.txt"), vmcoreinfo = _scratch.File("vmcoreinfo"), other = _scratch.File("other");
        var host = new TraceWriter(image, threads: 1, bias: 0x1200_0000);
        await File.WriteAllTextAsync(text, host.Perf(200));
        await File.WriteAllTextAsync(vmcoreinfo, $"OSRELEASE=6.1.0\nBUILD-ID={image.BuildId}\nKERNELOFFSET=12000000\n");
        await File.WriteAllTextAsync(other, "BUILD-ID=00112233\nKERNELOFFSET=12000000\n");

        ReheatResult wrong = await ImportAsync(text, "--image", image.Path, "--vmcoreinfo", other);
        ReheatResult right = await ImportAsync(text, "--image", image.Path, "--vmcoreinfo", vmcoreinfo);

        Assert.Equal((3, 0), (wrong.ExitCode, right.ExitCode));
        Assert.Contains("build-id 00112233", wrong.Errors, StringComparison.Ordinal);
        await AssertCountsAsync(host);
    }

    [Theory]
    [InlineData("", 3, "the text is empty")]
    [InlineData("PK\u0003\u0004 no trace\nat all\n", 3, "not one of its 2 lines")]
    [InlineData("q-7 [000] 1.000001: kvm_entry: vcpu 0, rip 0x1\n", 6, "nothing was recorded")]
    [InlineData("q-7 [000] 1.000001: kvm_emulate_insn: 0:70:89 07 (prot64)\nq-7 [000] 1.000001: kvm_mmio: mmio write len 4 gpa 0xfee000b0 val 0x0\n", 6, "all 1 trap were by code outside")]
    public async Task A_text_without_traps_is_no_success(string text, int exitCode, string message)
    {
        string path = _scratch.File("text");
        await File.WriteAllTextAsync(path, text);

        ReheatResult result = await ImportAsync(path, "--image", TestImage.Get().Path);

        Assert.Equal(exitCode, result.ExitCode);
        Assert.Contains(message, result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_not_understood_is_shown_with_its_first_example()
    {
        TestImage image = TestImage.Get(25);
        string path = _scratch.File("text");
        var host = new TraceWriter(image, threads: 1);
        await File.WriteAllTextAsync(path, $"{host.Perf(10)}q-7 [000] 1.1: kvm_mmio: mmio poke\r\n{new string('x', 3 << 20)}\nCPU:0 [LOST 12 EVENTS]\n{host.Perf(10)}unfinished");

        ReheatResult result = await ImportAsync(path, "--image", image.Path);

        Assert.True(result.ExitCode == 0, result.Errors);
        Assert.Contains("1 line: kvm_mmio of another form; line ", result.Errors, StringComparison.Ordinal);
        Assert.Contains("too long for a line", result.Errors, StringComparison.Ordinal);
        Assert.Contains("the recorder lost 12 events", result.Errors, StringComparison.Ordinal);
        Assert.Equal(3, JsonDocument.Parse(result.Output).RootElement.GetProperty("not_understood").GetInt64());
        await AssertCountsAsync(host);
    }

    [Fact]
    public async Task What_cannot_be_is_told_in_words()
    {
        string text = _scratch.File("text"), symbols = _scratch.File("kallsyms");
        await File.WriteAllTextAsync(text, "q-7 [000] 1.1: kvm_entry: vcpu 0\n");
        await File.WriteAllTextAsync(symbols, "0000000000000000 T _text\n0000000000000000 T _stext\n");
        string image = TestImage.Get().Path;

        foreach ((string[] arguments, string message) in ((string[], string)[])
        [
            ([_scratch.File("none"), "--image", image], "cannot read"),
            ([text, "--image", _scratch.File("none")], "no such file"),
            ([text, "--image", image, "--kallsyms", symbols], "address 0 for every symbol"),
            ([text, "--image", image, "--kallsyms", text], "holds no symbols"),
            ([text, "--image", image, "--vmcoreinfo", text], "KERNELOFFSET"),
            ([text, "--image", image, "--map", text], "flat view"),
            ([text, "--image", image, "--map", _scratch.File("none")], "no such file"),
        ])
        {
            ReheatResult result = await ImportAsync(arguments);
            Assert.True(result.ExitCode == 3 && result.Errors.Contains(message, StringComparison.Ordinal), $"{string.Join(' ', arguments)}: {result.ExitCode} {result.Errors}");
        }
    }

    private async Task<JsonElement> ImportedAsync(string text, TestImage image, string wedge = "host")
    {
        ReheatResult result = await ImportAsync(text, "--image", image.Path, "--wedge", wedge);
        Assert.True(result.ExitCode == 0, result.Output + result.Errors);
        return JsonDocument.Parse(result.Output).RootElement;
    }

    private async Task AssertCountsAsync(TraceWriter host)
    {
        await _database.AssertTrapsAsync(host.Traps);
        Assert.Equal(host.ByAddress, await _database.ByAddressAsync());
        Assert.Equal("0 0", await _database.ValueAsync<string>("SELECT sum(pending) || ' ' || sum(dropped) FROM reheat.accounting"));
    }
}
