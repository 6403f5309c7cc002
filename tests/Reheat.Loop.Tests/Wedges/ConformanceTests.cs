using System.Text.Json;
using Reheat.Core;
using Reheat.Core.Ring;
using Reheat.Core.Ring.Checking;
using Reheat.Loop.Tests.Fixtures;
using Xunit;

namespace Reheat.Loop.Tests.Wedges;

/// <summary><c>reheat wedge check</c> finds every way to break the ring's contract, and nothing in wedges that keep it.</summary>
public sealed class ConformanceTests : IDisposable
{
    private const ulong Code = 0x401000;

    private static readonly CProgram Broken = new("broken");

    private readonly Scratch _scratch = new();

    private string Session => _scratch.File("session");

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("none", null)]
    [InlineData("no-info", DiagnosticId.SessionIncomplete)]
    [InlineData("no-ring", DiagnosticId.SessionIncomplete)]
    [InlineData("no-kind", DiagnosticId.SessionBadInfo)]
    [InlineData("no-pid-namespace", DiagnosticId.SessionBadInfo)]
    [InlineData("second-guest", DiagnosticId.SessionBadInfo)]
    [InlineData("empty-value", DiagnosticId.SessionBadInfo)]
    [InlineData("half-line", DiagnosticId.SessionBadInfo)]
    [InlineData("bad-inside", DiagnosticId.SessionBadInfo)]
    [InlineData("name", DiagnosticId.SessionBadName)]
    [InlineData("leftover", DiagnosticId.SessionBadName)]
    [InlineData("epochs", DiagnosticId.SessionEpochs)]
    [InlineData("created", DiagnosticId.SessionEpochs)]
    [InlineData("code-epoch", DiagnosticId.SessionEpochs)]
    [InlineData("sparse", DiagnosticId.SessionSparseFile)]
    [InlineData("magic", DiagnosticId.RingNotARing)]
    [InlineData("version", DiagnosticId.RingVersion)]
    [InlineData("version-0", DiagnosticId.RingVersion)]
    [InlineData("record-bytes", DiagnosticId.RingBadHeader)]
    [InlineData("capacity", DiagnosticId.RingBadHeader)]
    [InlineData("larger", DiagnosticId.RingBadHeader)]
    [InlineData("short", DiagnosticId.RingBadHeader)]
    [InlineData("positions", DiagnosticId.RingBadHeader)]
    [InlineData("epoch", DiagnosticId.RingBadHeader)]
    [InlineData("no-time", DiagnosticId.RingBadHeader)]
    [InlineData("not-zero", DiagnosticId.RingNotZero)]
    [InlineData("unnamed", DiagnosticId.RingNotZero)]
    [InlineData("sequence", DiagnosticId.RingCorruptRecord)]
    [InlineData("operation", DiagnosticId.RingUnknownOperation)]
    [InlineData("size", DiagnosticId.RingBadRecord)]
    [InlineData("elements", DiagnosticId.RingBadRecord)]
    [InlineData("flags", DiagnosticId.RingBadRecord)]
    [InlineData("reserved", DiagnosticId.RingBadRecord)]
    [InlineData("target", DiagnosticId.RingBadRecord)]
    [InlineData("virtual", DiagnosticId.RingBadRecord)]
    [InlineData("outside", DiagnosticId.RingBadRecord)]
    [InlineData("hit-in-version-1", DiagnosticId.RingBadRecord)]
    [InlineData("continued", DiagnosticId.RingBadContinuation)]
    [InlineData("traps", DiagnosticId.RingBadCounters)]
    [InlineData("lost", DiagnosticId.RingBadCounters)]
    [InlineData("hits", DiagnosticId.RingBadCounters)]
    [InlineData("dropped-traps", DiagnosticId.RingBadCounters)]
    [InlineData("dropped-records", DiagnosticId.RingBadCounters)]
    [InlineData("unclosed", DiagnosticId.RingNotClosed)]
    [InlineData("no-code", DiagnosticId.CodeBadFile)]
    [InlineData("code-magic", DiagnosticId.CodeBadFile)]
    [InlineData("code-version", DiagnosticId.CodeBadFile)]
    [InlineData("code-entry-bytes", DiagnosticId.CodeBadFile)]
    [InlineData("code-capacity", DiagnosticId.CodeBadFile)]
    [InlineData("code-count", DiagnosticId.CodeBadFile)]
    [InlineData("code-length", DiagnosticId.CodeBadEntry)]
    [InlineData("code-junk", DiagnosticId.CodeBadEntry)]
    [InlineData("code-long", DiagnosticId.CodeBadEntry)]
    [InlineData("code-twice", DiagnosticId.CodeBadEntry)]
    [InlineData("code-missing", DiagnosticId.CodeMissing)]
    [InlineData("other-direction", DiagnosticId.CodeOtherAccess)]
    [InlineData("other-size", DiagnosticId.CodeOtherAccess)]
    [InlineData("not-sensitive", DiagnosticId.CodeOtherAccess)]
    public void Each_fault_is_found_by_its_diagnostic_and_by_no_other(string fault, DiagnosticId? expected)
    {
        Tool.Run(Broken.Path, Session, fault);

        SessionReport report = Check();

        Assert.Equal(expected is { } id ? [id] : [], report.Counts.Keys);
        Assert.All(report.Violations, v => Assert.StartsWith(Session, v.Place, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_wedge_that_keeps_the_contract_is_told_so_while_it_runs_and_after()
    {
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session, capacity: 64, rings: 2);
        await wedge.CommandAsync($"code 0x{Code:x} 2 0x0789"); // movl %eax, (%rdi)
        await wedge.PushAsync(Code, repeat: 3);
        await wedge.PushAsync(Code, repeat: 2, flags: RecordFlags.Continued);
        await wedge.PushAsync(Code, repeat: 5, ring: 1, flags: RecordFlags.Hit);
        Assert.Empty(Check().Violations);

        await wedge.PushAsync(Code, repeat: 100); // full, and what finds it so
        Assert.Empty(Check().Violations);
        await wedge.CloseAsync();
        SessionReport report = Check();
        Assert.Empty(report.Violations);
        Assert.Equal([(RingState.Closed, 64UL, 64UL), (RingState.Closed, 5UL, 5UL)], report.Rings.Select(r => (r.State, r.Records, r.Checked)));
        Assert.Equal((1, 1L), (report.Sites, report.CodeEntries));
    }

    [Fact]
    public async Task A_ring_that_went_round_is_checked_as_far_as_it_is_still_there()
    {
        const int Turns = 5, Capacity = 256;
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session, capacity: Capacity);
        await wedge.CommandAsync($"code 0x{Code:x} 2 0x0789");
        using (RingFile ring = RingFile.Open(Path.Combine(Session, "ring-0"), out _)!)
        {
            for (int turn = 0; turn < Turns; turn++)
            {
                Assert.Equal((ulong)Capacity, await wedge.PushAsync(Code, repeat: Capacity));
                ring.Release(ring.Head);
            }
        }
        await wedge.PushAsync(Code, repeat: 10);
        await wedge.CommandAsync($"sequence 0 {(Turns * Capacity) + 3} 1");
        await wedge.CloseAsync();

        SessionReport report = Check();

        Assert.Equal([DiagnosticId.RingCorruptRecord], report.Counts.Keys);
        Assert.Equal(((ulong)(Turns * Capacity) + 10, (ulong)Capacity), (report.Rings[0].Records, report.Rings[0].Checked));
    }

    [Fact]
    public async Task Following_sees_every_record_though_the_ring_goes_round_and_its_end()
    {
        const int Records = 20_000;
        using WedgeProcess wedge = await WedgeProcess.StartAsync(Session, capacity: 1 << 10);
        await wedge.CommandAsync($"code 0x{Code:x} 2 0x0789");
        using RingFile ring = RingFile.Open(Path.Combine(Session, "ring-0"), out _)!;
        using var check = new SessionCheck(Session);
        Task feeding = wedge.FeedAsync(seed: 4, Records, Code, step: 1, sites: 1);
        while (!feeding.IsCompleted)
        {
            ulong head = ring.Head;
            Assert.False(check.Look()); // before they are given back
            ring.Release(head);
        }
        await wedge.CloseAsync();

        Assert.True(check.Look());
        SessionReport report = check.Finish();
        Assert.Empty(report.Violations);
        Assert.Equal(((ulong)Records, (ulong)Records), (report.Rings[0].Records, report.Rings[0].Checked));
    }

    [Fact]
    public void A_ring_full_of_faults_is_counted_whole_and_told_in_a_few_lines()
    {
        Tool.Run(Broken.Path, Session, "none");
        using (FileStream ring = File.Open(Path.Combine(Session, "ring-0"), FileMode.Open))
        {
            ring.Position = 64;
            ring.Write(BitConverter.GetBytes(1000UL)); // head: 997 records of zeros
        }

        SessionReport report = Check();

        Assert.Equal(997, report.Counts[DiagnosticId.RingCorruptRecord]);
        Assert.InRange(report.Violations.Count(v => v.Id == DiagnosticId.RingCorruptRecord), 1, 10);
    }

    [Fact]
    public async Task The_command_says_it_in_text_JSON_and_exit_code()
    {
        Tool.Run(Broken.Path, Session, "sequence");
        string good = _scratch.File("good"), absent = _scratch.File("absent");
        Tool.Run(Broken.Path, good, "none");

        ReheatResult text = await ReheatProcess.RunAsync("wedge", "check", Session);
        ReheatResult json = await ReheatProcess.RunAsync("wedge", "check", Session, "--json", "--follow");
        ReheatResult fine = await ReheatProcess.RunAsync("wedge", "check", good);
        ReheatResult none = await ReheatProcess.RunAsync("wedge", "check", absent);

        Assert.Equal((21, 21, 0, 3), (text.ExitCode, json.ExitCode, fine.ExitCode, none.ExitCode));
        Assert.Contains($"RingCorruptRecord {Session}/ring-0, position 1: sequence number 0000004d, expected 00000001", text.Output, StringComparison.Ordinal);
        JsonElement root = JsonDocument.Parse(json.Output).RootElement;
        Assert.Equal(("broken", "closed", 3), (root.GetProperty("kind").GetString(), root.GetProperty("rings")[0].GetProperty("state").GetString(), root.GetProperty("rings")[0].GetProperty("checked").GetInt32()));
        Assert.Equal("RingCorruptRecord", Assert.Single(root.GetProperty("violations").EnumerateArray()).GetProperty("id").GetString());
        Assert.Contains($"{good} keeps the contract", fine.Output, StringComparison.Ordinal);
        Assert.Contains(absent, none.Errors, StringComparison.Ordinal);
    }

    private SessionReport Check()
    {
        using var check = new SessionCheck(Session);
        check.Look();
        return check.Finish();
    }
}
