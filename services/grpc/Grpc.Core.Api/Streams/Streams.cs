namespace Grpc.Core;

/// <summary>Messages as they come.</summary>
public interface IAsyncStreamReader<out T>
{
    /// <summary>The message that the last <see cref="MoveNext"/> found.</summary>
    T Current { get; }

    /// <summary>Waits for the next message; false after the last one. One read at a time.</summary>
    Task<bool> MoveNext(CancellationToken cancellationToken);
}

/// <summary>Takes messages one after the other. One write at a time.</summary>
public interface IAsyncStreamWriter<in T>
{
    /// <summary>How the next messages are written; null for the default.</summary>
    WriteOptions? WriteOptions { get; set; }

    /// <summary>Writes a message; completes when the transport has taken it.</summary>
    Task WriteAsync(T message);

    /// <summary>Writes a message unless cancelled first.</summary>
    /// <exception cref="NotSupportedException">This writer cannot be cancelled, and the token can.</exception>
    Task WriteAsync(T message, CancellationToken cancellationToken) => cancellationToken.CanBeCanceled
        ? throw new NotSupportedException("this stream writer does not support the cancellation of a write")
        : WriteAsync(message);
}

/// <summary>Requests of a streaming call.</summary>
public interface IClientStreamWriter<in T> : IAsyncStreamWriter<T>
{
    /// <summary>Tells the server that no request follows. To be called once, after the last write.</summary>
    Task CompleteAsync();
}

/// <summary>Responses of a streaming call.</summary>
public interface IServerStreamWriter<in T> : IAsyncStreamWriter<T>;
