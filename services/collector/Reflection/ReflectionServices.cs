using Google.Protobuf;
using Grpc.Core;
using Grpc.Reflection.V1;
using Alpha = Grpc.Reflection.V1Alpha;

namespace Reheat.Collector.Reflection;

/// <summary>The protocol <c>grpc.reflection.v1</c>.</summary>
internal sealed class ReflectionService(ReflectionAnswers answers, IHostApplicationLifetime lifetime)
    : ServerReflection.ServerReflectionBase
{
    public override Task ServerReflectionInfo(
        IAsyncStreamReader<ServerReflectionRequest> requestStream, IServerStreamWriter<ServerReflectionResponse> responseStream,
        ServerCallContext context) =>
        ReflectionStream.Run(requestStream, responseStream, context, lifetime, answers.Answer);
}

/// <summary>The protocol <c>grpc.reflection.v1alpha</c>: other names for the same bytes.</summary>
internal sealed class ReflectionAlphaService(ReflectionAnswers answers, IHostApplicationLifetime lifetime)
    : Alpha.ServerReflection.ServerReflectionBase
{
    public override Task ServerReflectionInfo(
        IAsyncStreamReader<Alpha.ServerReflectionRequest> requestStream, IServerStreamWriter<Alpha.ServerReflectionResponse> responseStream,
        ServerCallContext context) =>
        ReflectionStream.Run(requestStream, responseStream, context, lifetime, Answer);

    private Alpha.ServerReflectionResponse Answer(Alpha.ServerReflectionRequest request)
    {
        ServerReflectionResponse response = answers.Answer(ServerReflectionRequest.Parser.ParseFrom(request.ToByteString()));
        return Alpha.ServerReflectionResponse.Parser.ParseFrom(response.ToByteString());
    }
}

/// <summary>One answer per request until the client is done or the server stops.</summary>
internal static class ReflectionStream
{
    public static async Task Run<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requests, IServerStreamWriter<TResponse> responses, ServerCallContext context,
        IHostApplicationLifetime lifetime, Func<TRequest, TResponse> answer)
    {
        // An interactive tool may keep its stream open for hours; it must not hold up a stop.
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, lifetime.ApplicationStopping);
        try
        {
            await foreach (TRequest request in requests.ReadAllAsync(ending.Token))
                await responses.WriteAsync(answer(request), ending.Token);
        }
        catch (OperationCanceledException) when (ending.IsCancellationRequested)
        {
            context.Status = context.CancellationToken.IsCancellationRequested
                ? Status.DefaultCancelled
                : new Status(StatusCode.Unavailable, "the server is shutting down");
        }
    }
}
