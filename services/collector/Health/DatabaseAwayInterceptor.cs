using Grpc.Core;
using Grpc.Core.Interceptors;
using Npgsql;

namespace Reheat.Collector.Health;

/// <summary>A database that is away is no fault of the collector's: callers are told UNAVAILABLE, which says that trying again may help.</summary>
internal sealed class DatabaseAwayInterceptor(ILogger<DatabaseAwayInterceptor> log) : Interceptor
{
    /// <inheritdoc/>
    public override Task<TResponse> UnaryServerHandler<TRequest, TResponse>(
        TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation) =>
        AnswerAsync(context, () => continuation(request, context));

    /// <inheritdoc/>
    public override Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation) =>
        AnswerAsync(context, () => continuation(requestStream, context));

    /// <summary>True for a database that is away; what the server itself refused, other than for its state, is a mistake of ours and must be logged as one.</summary>
    public static bool IsAway(NpgsqlException e) =>
        e is not PostgresException { IsTransient: false } || e.SqlState?.StartsWith("57P", StringComparison.Ordinal) == true;

    private async Task<T> AnswerAsync<T>(ServerCallContext context, Func<Task<T>> handle)
    {
        try
        {
            return await handle();
        }
        catch (NpgsqlException e) when (IsAway(e))
        {
            Log.CallFailed(log, context.Method, e.Message);
            throw new RpcException(new Status(StatusCode.Unavailable, $"the collector's database is away: {e.Message} — try again"));
        }
    }
}
