namespace Grpc.Core;

/// <summary>Reading a stream without a cancellation token.</summary>
public static class AsyncStreamReaderExtensions
{
    /// <summary>Waits for the next message; false after the last one.</summary>
    public static Task<bool> MoveNext<T>(this IAsyncStreamReader<T> streamReader)
        where T : class
    {
        ArgumentNullException.ThrowIfNull(streamReader);
        return streamReader.MoveNext(CancellationToken.None);
    }
}
