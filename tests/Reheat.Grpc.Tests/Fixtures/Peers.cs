using System.ComponentModel;
using System.Diagnostics;
using Xunit;

namespace Reheat.Grpc.Tests.Fixtures;

/// <summary>An implementation of gRPC that shares no code with ours.</summary>
public enum Peer
{
    /// <summary>@grpc/grpc-js.</summary>
    GrpcJs,

    /// <summary>Python's grpcio over the C core.</summary>
    Grpcio,
}

/// <summary>Finds and starts the other implementations. What is missing is an error with its name, never a skipped test.</summary>
internal static class Peers
{
    // Debian's packages belong to Debian's interpreter; another python3 may come first in PATH.
    private const string Python = "/usr/bin/python3";

    private static readonly string Here = AppContext.BaseDirectory;
    private static readonly string Node = Path.Combine(Here, "Node");
    private static readonly string Descriptors = Path.Combine(Here, "peers.pb");
    private static readonly Lazy<Task> NodeReady = new(InstallNodePackagesAsync);
    private static readonly Lazy<Task> PythonReady = new(() =>
        RunAsync(Python, Here, "install the Debian packages python3-grpcio and python3-protobuf", "-c", "import grpc, google.protobuf"));

    public static Task<PeerProcess> StartClientAsync(Peer peer, string address, string scenario) =>
        StartAsync(peer, "client", Descriptors, address, scenario);

    /// <summary>Starts the echo service; its first line is its port.</summary>
    public static Task<PeerProcess> StartServerAsync(Peer peer) => StartAsync(peer, "server", Descriptors);

    private static async Task<PeerProcess> StartAsync(Peer peer, string script, params string[] arguments)
    {
        await (peer == Peer.GrpcJs ? NodeReady : PythonReady).Value;
        return peer == Peer.GrpcJs
            ? new PeerProcess("node", Node, [script + ".mjs", .. arguments])
            : new PeerProcess(Python, Path.Combine(Here, "Python"), [script + ".py", .. arguments]);
    }

    private static async Task InstallNodePackagesAsync()
    {
        string wanted = Path.Combine(Node, "package-lock.json");
        string installed = Path.Combine(Node, "node_modules", ".installed-lock.json");
        if (File.Exists(installed) && await File.ReadAllTextAsync(installed) == await File.ReadAllTextAsync(wanted))
            return;
        // No package here needs its install scripts.
        await RunAsync(
            "npm", Node, "the tests need Node.js with npm and a registry that npm can reach",
            "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error");
        File.Copy(wanted, installed, overwrite: true);
    }

    private static async Task RunAsync(string program, string folder, string remedy, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        };
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            string errors = await process.StandardError.ReadToEndAsync();
            await output;
            await process.WaitForExitAsync();
            if (process.ExitCode != 0)
                Assert.Fail($"{program} {string.Join(' ', arguments)}: exit code {process.ExitCode} — {remedy}\n{errors}");
        }
        catch (Win32Exception e)
        {
            Assert.Fail($"{program} cannot be started ({e.Message}) — {remedy}");
        }
    }
}
