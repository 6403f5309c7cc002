using System.Reflection;
using System.Runtime.CompilerServices;
using Grpc.Core;
using Grpc.Net.Client;
using Grpc.Net.Compression;
using Xunit;

namespace Reheat.Grpc.Tests.Contract;

/// <summary>The two real packages find in our contract assemblies everything that they were compiled against.</summary>
public sealed class PackageReferenceTests
{
    private static readonly Assembly[] Contracts = [typeof(Metadata).Assembly, typeof(ICompressionProvider).Assembly];

    public static TheoryData<string> Packages => ["Grpc.AspNetCore.Server", "Grpc.Net.Client"];

    [Theory, MemberData(nameof(Packages))]
    public void They_ask_for_the_identity_that_ours_have(string package)
    {
        using var references = new PackageReferences(Load(package));
        AssemblyName[] wanted = [.. references.Assemblies];
        Assert.Equal(["Grpc.Core.Api", "Grpc.Net.Common"], wanted.Select(n => n.Name).Order());
        foreach (AssemblyName name in wanted)
        {
            AssemblyName ours = Contracts.Single(c => c.GetName().Name == name.Name).GetName();
            Assert.Equal(name.Version, ours.Version);
            Assert.Equal(name.GetPublicKeyToken(), ours.GetPublicKeyToken());
        }
    }

    [Theory, MemberData(nameof(Packages))]
    public void Every_type_is_there_and_public(string package)
    {
        Assembly assembly = Load(package);
        using var references = new PackageReferences(assembly);
        Type[] types = [.. references.Types.Select(t => assembly.ManifestModule.ResolveType(t))];
        Assert.InRange(types.Length, 25, 100);
        Assert.All(types, t => Assert.True(t.IsVisible, $"{t} is not public"));
        Assert.All(types, t => Assert.Contains(t.Assembly, Contracts));
    }

    [Theory, MemberData(nameof(Packages))]
    public void Every_member_is_there_and_accessible(string package)
    {
        Assembly assembly = Load(package);
        using var references = new PackageReferences(assembly);
        MemberInfo[] members = [.. references.Members.Select(t => Resolve(assembly.ManifestModule, t))];
        Assert.InRange(members.Length, 100, 1000);
        MemberInfo[] ours = [.. members.Where(m => Contracts.Contains(m.DeclaringType!.Assembly))];
        Assert.InRange(ours.Length, 60, 500);
        Assert.All(ours, m => Assert.True(
            m is FieldInfo { IsPublic: true } or MethodBase { IsPublic: true } or MethodBase { IsFamily: true } or MethodBase { IsFamilyOrAssembly: true },
            $"{m.DeclaringType}.{m} is not accessible"));
    }

    [Theory, MemberData(nameof(Packages))]
    public void Every_type_loads_and_every_method_compiles(string package)
    {
        // Loading shows that no abstract member is without its override; compiling, that every reference binds with its exact signature,
        // class or value type included.
        int compiled = 0;
        var failures = new List<string>();
        foreach (Type type in Load(package).GetTypes())
        {
            foreach (MethodBase method in Methods(type).Where(m => m.GetMethodBody() is not null))
            {
                try
                {
                    Compile(type, method);
                    compiled++;
                }
                catch (Exception e)
                {
                    failures.Add($"{type}.{method}: {e.GetType().Name} {e.Message}");
                }
            }
        }
        Assert.Empty(failures);
        Assert.InRange(compiled, 500, 10_000);
    }

    private static Assembly Load(string package) => package == "Grpc.Net.Client"
        ? typeof(GrpcChannel).Assembly
        : typeof(global::Grpc.AspNetCore.Server.GrpcServiceOptions).Assembly;

    private static IEnumerable<MethodBase> Methods(Type type)
    {
        const BindingFlags all =
            BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly;
        return type.GetMethods(all).Concat<MethodBase>(type.GetConstructors(all));
    }

    // Open parameters of the parent or the member may be anything for resolving.
    private static MemberInfo Resolve(Module module, int token)
    {
        Type[] anything = [.. Enumerable.Repeat(typeof(object), 8)];
        return module.ResolveMember(token, anything, anything)!;
    }

    private static void Compile(Type type, MethodBase method)
    {
        Type[] arguments = [.. type.GetGenericArguments(), .. method.IsGenericMethod ? method.GetGenericArguments() : []];
        RuntimeTypeHandle[] handles = [.. arguments.Select(a => Argument(a).TypeHandle)];
        if (handles.Length == 0)
            RuntimeHelpers.PrepareMethod(method.MethodHandle);
        else
            RuntimeHelpers.PrepareMethod(method.MethodHandle, handles);
    }

    // A type that meets the parameter's constraints.
    private static Type Argument(Type parameter)
    {
        if (parameter.GenericParameterAttributes.HasFlag(GenericParameterAttributes.NotNullableValueTypeConstraint))
            return typeof(int);
        Type[] constraints = parameter.GetGenericParameterConstraints();
        return constraints.Length == 0 ? typeof(Protos.EchoRequest) : constraints[0];
    }
}
