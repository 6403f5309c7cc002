namespace Reheat.Agent;

/// <summary>The agent cannot go on; the message says what, where, the value and what to do. What is in the rings stays there.</summary>
public sealed class AgentException : Exception
{
    /// <inheritdoc/>
    public AgentException(string message) : base(message)
    {
    }

    /// <inheritdoc/>
    public AgentException(string message, Exception inner) : base(message, inner)
    {
    }

    /// <inheritdoc/>
    public AgentException()
    {
    }

    /// <summary>True if what the agent was told cannot be right for this session: another name or other images may be.</summary>
    public bool IsMisdirected { get; init; }
}
