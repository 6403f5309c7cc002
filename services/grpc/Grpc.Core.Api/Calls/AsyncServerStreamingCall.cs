namespace Grpc.Core;

/// <summary>A call with one request and many responses. Disposing it before its end cancels it.</summary>
public sealed class AsyncServerStreamingCall<TResponse> : IDisposable
{
    private readonly CallState _state;

    /// <summary>Made by transports.</summary>
    /// <param name="responseStream">Where responses are read.</param>
    /// <param name="responseHeadersAsync">The headers to come.</param>
    /// <param name="getStatusFunc">The status of the ended call.</param>
    /// <param name="getTrailersFunc">The trailers of the ended call.</param>
    /// <param name="disposeAction">Gives the call up.</param>
    public AsyncServerStreamingCall(
        IAsyncStreamReader<TResponse> responseStream,
        Task<Metadata> responseHeadersAsync, Func<Status> getStatusFunc, Func<Metadata> getTrailersFunc, Action disposeAction)
    {
        ResponseStream = responseStream;
        _state = new CallState(responseHeadersAsync, getStatusFunc, getTrailersFunc, disposeAction);
    }

    /// <summary>Made by transports that keep their state in one object instead of in closures.</summary>
    /// <param name="responseStream">Where responses are read.</param>
    /// <param name="responseHeadersAsync">The headers to come.</param>
    /// <param name="getStatusFunc">The status of the ended call.</param>
    /// <param name="getTrailersFunc">The trailers of the ended call.</param>
    /// <param name="disposeAction">Gives the call up.</param>
    /// <param name="state">Passed to each of the functions.</param>
    public AsyncServerStreamingCall(
        IAsyncStreamReader<TResponse> responseStream,
        Func<object, Task<Metadata>> responseHeadersAsync, Func<object, Status> getStatusFunc, Func<object, Metadata> getTrailersFunc,
        Action<object> disposeAction, object state)
    {
        ResponseStream = responseStream;
        _state = new CallState(responseHeadersAsync, getStatusFunc, getTrailersFunc, disposeAction, state);
    }

    /// <summary>Where responses are read; reading fails with <see cref="RpcException"/>.</summary>
    public IAsyncStreamReader<TResponse> ResponseStream { get; }

    /// <summary>The headers that the server sent before its first message.</summary>
    public Task<Metadata> ResponseHeadersAsync => _state.ResponseHeaders;

    /// <summary>How the call ended.</summary>
    /// <exception cref="InvalidOperationException">It has not ended.</exception>
    public Status GetStatus() => _state.Status;

    /// <summary>What the server sent after its last message.</summary>
    /// <exception cref="InvalidOperationException">The call has not ended.</exception>
    public Metadata GetTrailers() => _state.Trailers;

    /// <summary>Gives the call up if it has not ended.</summary>
    public void Dispose() => _state.Dispose();
}
