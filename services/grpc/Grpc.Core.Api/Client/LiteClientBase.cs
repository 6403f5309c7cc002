namespace Grpc.Core;

/// <summary>Base of clients generated with the <c>lite_client</c> option: a call invoker and nothing more.</summary>
public abstract class LiteClientBase
{
    /// <summary>For test doubles that override every method.</summary>
    protected LiteClientBase() => CallInvoker = new UnimplementedCallInvoker();

    /// <summary>A client over a call invoker.</summary>
    protected LiteClientBase(CallInvoker callInvoker)
    {
        ArgumentNullException.ThrowIfNull(callInvoker);
        CallInvoker = callInvoker;
    }

    /// <summary>What starts this client's calls.</summary>
    protected CallInvoker CallInvoker { get; }
}
