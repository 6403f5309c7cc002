using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using Npgsql;
using Reheat.Loop.Tests.Fixtures;
using Xunit;

namespace Reheat.Loop.Tests.Kvm;

/// <summary>Ctrl-C: of a pipe, what it has said is delivered; a file is gone on with later.</summary>
public sealed partial class ImportTests
{
    private const nuint BytesInPipe = 0x541b; // FIONREAD

    private string Pipe()
    {
        string fifo = _scratch.File("fifo");
        File.Delete(fifo);
        Tool.Run("mkfifo", fifo);
        return fifo;
    }

    private ReheatProcess Importing(string text, TestImage image, string wedge) =>
        ReheatProcess.Start("import", "kvm", text, "--image", image.Path, "--wedge", wedge, "--json", "--collector", _server.Address.ToString());

    /// <summary>Says something, and returns when it was heard.</summary>
    private static async Task SayAsync(FileStream pipe, string text)
    {
        await pipe.WriteAsync(Encoding.UTF8.GetBytes(text));
        await pipe.FlushAsync();
        await Eventually.HoldsAsync(() => Task.FromResult(ioctl(pipe.SafeFileHandle, BytesInPipe, out int left) == 0 && left == 0), "the pipe is read");
    }

    [Theory]
    [InlineData(40)] // less than names a text, so that its beginning is still waited for
    [InlineData(2500)]
    public async Task What_a_pipe_has_said_at_Ctrl_C_is_delivered(int traps)
    {
        TestImage image = TestImage.Get(27);
        string fifo = Pipe();
        var host = new TraceWriter(image, threads: 2);
        string said = host.Perf(traps), more = "CPU 0/KVM  4000 [000] 900.000000: kvm:kvm_mm";
        using ReheatProcess import = Importing(fifo, image, "interrupted");
        await using var pipe = new FileStream(fifo, FileMode.Open, FileAccess.Write);
        await SayAsync(pipe, said);
        await SayAsync(pipe, more); // in the middle of a line

        import.Interrupt();
        ReheatResult result = await import.EndAsync();

        Assert.True(result.ExitCode == 130, result.Output + result.Errors);
        Assert.Contains("interrupted: what the pipe had said until then is delivered", result.Errors, StringComparison.Ordinal);
        JsonElement json = JsonDocument.Parse(result.Output).RootElement;
        Assert.Equal(host.Traps, json.GetProperty("traps_stored").GetInt64());
        Assert.Equal((said.Length, 0), (json.GetProperty("bytes").GetInt64(), json.GetProperty("not_understood").GetInt64()));
        await AssertCountsAsync(host);
    }

    [Fact]
    public async Task A_pipe_that_tells_the_same_again_after_Ctrl_C_goes_on()
    {
        TestImage image = TestImage.Get(28);
        string fifo = Pipe();
        var host = new TraceWriter(image, threads: 3);
        string said = host.Perf(2000);
        using (ReheatProcess import = Importing(fifo, image, "again"))
        {
            await using var pipe = new FileStream(fifo, FileMode.Open, FileAccess.Write);
            await SayAsync(pipe, said);
            import.Interrupt();
            Assert.Equal(130, (await import.EndAsync()).ExitCode);
        }
        using ReheatProcess second = Importing(fifo, image, "again");
        await using (var pipe = new FileStream(fifo, FileMode.Open, FileAccess.Write))
            await pipe.WriteAsync(Encoding.UTF8.GetBytes(said + host.Perf(1000)));
        ReheatResult result = await second.EndAsync();

        Assert.True(result.ExitCode == 0, result.Output + result.Errors);
        Assert.Equal(said.Length, JsonDocument.Parse(result.Output).RootElement.GetProperty("bytes_imported_before").GetInt64());
        await AssertCountsAsync(host);
    }

    [Fact]
    public async Task A_pipe_that_has_said_nothing_is_not_waited_for_at_Ctrl_C()
    {
        string fifo = Pipe();
        using ReheatProcess import = Importing(fifo, TestImage.Get(27), "silent");
        await using var pipe = new FileStream(fifo, FileMode.Open, FileAccess.Write); // returns when the import has opened its end

        import.Interrupt();
        ReheatResult result = await import.EndAsync();

        Assert.True((result.ExitCode, result.Output) == (130, ""), result.Output + result.Errors);
        Assert.Contains("interrupted before anything was imported", result.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_is_gone_on_with_after_Ctrl_C()
    {
        TestImage image = TestImage.Get(29);
        string text = _scratch.File("trace.txt");
        var host = new TraceWriter(image, threads: 2);
        await File.WriteAllTextAsync(text, host.Perf(1000));
        await using (var holding = new NpgsqlConnection(_database.ConnectionString))
        {
            // Nothing is acknowledged meanwhile, so the import cannot end before it is interrupted.
            await holding.OpenAsync();
            await using NpgsqlTransaction transaction = await holding.BeginTransactionAsync();
            await using (var command = new NpgsqlCommand("LOCK TABLE reheat_data.marks", holding, transaction))
                await command.ExecuteNonQueryAsync();
            using ReheatProcess import = ReheatProcess.Start("import", "kvm", text, "--image", image.Path, "--wedge", "host", "--collector", _server.Address.ToString());
            await Eventually.HoldsAsync(
                async () => await _database.ValueAsync<long>(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%marks%' AND query NOT LIKE '%DELETE%'") > 0,
                "the collector waits, and not its housekeeping");
            import.Interrupt();
            ReheatResult result = await import.EndAsync();
            Assert.True(result.ExitCode == 130, result.Output + result.Errors);
            Assert.Contains($"import {text} again, and it goes on where this one ended", result.Errors, StringComparison.Ordinal);
        }
        await ImportedAsync(text, image);
        await AssertCountsAsync(host);
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ioctl(SafeFileHandle file, nuint request, out int answer);
}
