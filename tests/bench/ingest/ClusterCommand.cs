using System.CommandLine;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Reheat.Store.Cluster;

namespace Reheat.IngestBench;

/// <summary>A PostgreSQL of its own, as it is installed: fsync and synchronous_commit stay on. Runs until its standard input ends.</summary>
internal static class ClusterCommand
{
    public static Command Create()
    {
        var directory = new Argument<string>("directory");
        var command = new Command("cluster", "starts PostgreSQL and prints how to reach it") { directory };
        command.SetAction(async (parsed, cancel) =>
        {
            await using PrivateCluster cluster = await PrivateCluster.StartAsync(parsed.GetValue(directory)!, NullLogger.Instance, cancel);
            Console.WriteLine(JsonSerializer.Serialize(new { connection = cluster.ConnectionString, socket = cluster.SocketDirectory }));
            await Console.In.ReadToEndAsync(cancel);
        });
        return command;
    }
}
