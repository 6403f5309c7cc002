using System.Diagnostics;
using System.Text.Json.Nodes;
using Xunit;

namespace Reheat.Grpc.Tests.Fixtures;

/// <summary>A running program of another implementation, which prints lines.</summary>
internal sealed class PeerProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Process _process;
    private readonly Task<string> _errors;

    public PeerProcess(string program, string folder, params string[] arguments)
    {
        _process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        _errors = _process.StandardError.ReadToEndAsync();
    }

    /// <summary>The next line; fails with what the program complained about if it ended instead.</summary>
    public async Task<string> ReadLineAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            if (await _process.StandardOutput.ReadLineAsync(patience.Token) is { } line)
                return line;
        }
        catch (OperationCanceledException)
        {
            _process.Kill();
            Assert.Fail($"no line within {Patience.TotalSeconds} s from {Command}\n{await _errors}");
        }
        Assert.Fail($"{Command} ended without the line expected\n{await _errors}");
        return "";
    }

    /// <summary>Expects the line to be this JSON, whatever the order of its keys.</summary>
    public async Task ExpectAsync(string json)
    {
        string line = await ReadLineAsync();
        if (!JsonNode.DeepEquals(JsonNode.Parse(json), JsonNode.Parse(line)))
            Assert.Fail($"expected {json}\ngot      {line}");
    }

    /// <summary>Expects no further line and a good end.</summary>
    public async Task ExpectEndAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        Assert.Null(await _process.StandardOutput.ReadLineAsync(patience.Token));
        await _process.WaitForExitAsync(patience.Token);
        if (_process.ExitCode != 0)
            Assert.Fail($"{Command}: exit code {_process.ExitCode}\n{await _errors}");
    }

    public async ValueTask DisposeAsync()
    {
        // The server ends with its input; a client that is still here failed its test.
        _process.StandardInput.Close();
        if (!_process.WaitForExit(TimeSpan.FromSeconds(2)))
            _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private string Command => $"{_process.StartInfo.FileName} {string.Join(' ', _process.StartInfo.ArgumentList)}";
}
