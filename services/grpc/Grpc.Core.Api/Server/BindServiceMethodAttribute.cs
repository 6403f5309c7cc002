namespace Grpc.Core;

/// <summary>On a generated service base: where the static method is that announces the service's methods to a server.</summary>
/// <param name="bindType">The type that has the method.</param>
/// <param name="bindMethodName">The method's name; it takes a <see cref="ServiceBinderBase"/> and the service.</param>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = false, Inherited = true)]
public sealed class BindServiceMethodAttribute(Type bindType, string bindMethodName) : Attribute
{
    /// <summary>The type that has the method.</summary>
    public Type BindType { get; } = bindType;

    /// <summary>The method's name.</summary>
    public string BindMethodName { get; } = bindMethodName;
}
