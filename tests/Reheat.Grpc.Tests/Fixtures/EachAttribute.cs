using System.Reflection;
using Xunit;
using Xunit.Sdk;
using Xunit.v3;

namespace Reheat.Grpc.Tests.Fixtures;

/// <summary>Runs a theory once per client of another implementation.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class EachPeerAttribute : EachAttribute<Peer>;

/// <summary>Runs a theory once per server that our client has to get along with.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class EachTargetAttribute : EachAttribute<Target>;

/// <summary>Runs a theory once per value of an enum.</summary>
public abstract class EachAttribute<T> : DataAttribute
    where T : struct, Enum
{
    public override ValueTask<IReadOnlyCollection<ITheoryDataRow>> GetData(MethodInfo testMethod, DisposalTracker disposalTracker) =>
        ValueTask.FromResult<IReadOnlyCollection<ITheoryDataRow>>([.. Enum.GetValues<T>().Select(v => new TheoryDataRow<T>(v))]);

    public override bool SupportsDiscoveryEnumeration() => true;
}
