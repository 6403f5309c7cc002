namespace Grpc.Core;

/// <summary>What a call made on behalf of a call being served takes over from it.</summary>
public class ContextPropagationOptions
{
    /// <summary>Everything is taken over.</summary>
    public static readonly ContextPropagationOptions Default = new();

    /// <summary>Options.</summary>
    public ContextPropagationOptions(bool propagateDeadline = true, bool propagateCancellation = true)
    {
        IsPropagateDeadline = propagateDeadline;
        IsPropagateCancellation = propagateCancellation;
    }

    /// <summary>The deadline is taken over.</summary>
    public bool IsPropagateDeadline { get; }

    /// <summary>The cancellation is taken over.</summary>
    public bool IsPropagateCancellation { get; }
}

/// <summary>Opaque link from a call to the served call that caused it. Only a transport that supports it can make one.</summary>
public abstract class ContextPropagationToken
{
    private protected ContextPropagationToken()
    {
    }
}
