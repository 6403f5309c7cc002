using Grpc.Core;
using Grpc.Net.Client;

namespace Reheat.Cli.Client;

/// <summary>The connection of a command to the collector.</summary>
internal sealed class Connection(Uri collector) : IDisposable
{
    private readonly GrpcChannel _channel = GrpcChannel.ForAddress(
        collector, new GrpcChannelOptions { MaxReceiveMessageSize = null }); // lists and their provenance have no bound

    /// <summary>Where it goes to.</summary>
    public Uri Collector => collector;

    public V1.Builds.BuildsClient Builds => new(_channel);

    public V1.Annotations.AnnotationsClient Annotations => new(_channel);

    public V1.Coverage.CoverageClient Coverage => new(_channel);

    /// <summary>What a failed call means for the command.</summary>
    public CommandException Explain(RpcException e) => e.StatusCode switch
    {
        // It does answer, and knows better what is wrong.
        StatusCode.Unavailable when e.Status.Detail.Contains("database is away", StringComparison.Ordinal) =>
            new CommandException(ExitCode.Unreachable, $"{collector}: {e.Status.Detail}"),
        StatusCode.Unavailable => new CommandException(ExitCode.Unreachable,
            $"the collector at {collector} does not answer: {e.Status.Detail} — start one with `reheat up`, or name it with --collector"),
        StatusCode.NotFound => new CommandException(ExitCode.NotFound, e.Status.Detail),
        StatusCode.InvalidArgument or StatusCode.FailedPrecondition => new CommandException(ExitCode.BadInput, e.Status.Detail),
        StatusCode.Cancelled => new CommandException(ExitCode.Interrupted, "interrupted"),
        _ => new CommandException(ExitCode.Failure, $"the collector at {collector} failed: {e.StatusCode}: {e.Status.Detail}"),
    };

    public void Dispose() => _channel.Dispose();
}
