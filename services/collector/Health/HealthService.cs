using Grpc.Core;
using Grpc.Health.V1;
using HealthBase = Grpc.Health.V1.Health.HealthBase;

namespace Reheat.Collector.Health;

/// <summary>The protocol <c>grpc.health.v1</c> over <see cref="ServiceHealth"/>.</summary>
internal sealed class HealthService(ServiceHealth health) : HealthBase
{
    public override Task<HealthCheckResponse> Check(HealthCheckRequest request, ServerCallContext context) =>
        health.TryGet(request.Service, out HealthCheckResponse.Types.ServingStatus status)
            ? Task.FromResult(new HealthCheckResponse { Status = status })
            : throw new RpcException(new Status(StatusCode.NotFound, $"health of '{request.Service}' is not known here"));

    public override async Task Watch(
        HealthCheckRequest request, IServerStreamWriter<HealthCheckResponse> responseStream, ServerCallContext context)
    {
        try
        {
            await foreach (HealthCheckResponse.Types.ServingStatus status in health.Watch(request.Service, context.CancellationToken))
                await responseStream.WriteAsync(new HealthCheckResponse { Status = status }, context.CancellationToken);
        }
        catch (OperationCanceledException) when (context.CancellationToken.IsCancellationRequested)
        {
            // A watch ends only when its client goes, or below.
            context.Status = Status.DefaultCancelled;
            return;
        }
        context.Status = new Status(StatusCode.Unavailable, "the server is shutting down");
    }
}
