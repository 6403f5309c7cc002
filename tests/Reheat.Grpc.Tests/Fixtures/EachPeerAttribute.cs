using System.Reflection;
using Xunit;
using Xunit.Sdk;
using Xunit.v3;

namespace Reheat.Grpc.Tests.Fixtures;

/// <summary>Runs a theory once per other implementation.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class EachPeerAttribute : DataAttribute
{
    public override ValueTask<IReadOnlyCollection<ITheoryDataRow>> GetData(MethodInfo testMethod, DisposalTracker disposalTracker) =>
        ValueTask.FromResult<IReadOnlyCollection<ITheoryDataRow>>([.. Enum.GetValues<Peer>().Select(p => new TheoryDataRow<Peer>(p))]);

    public override bool SupportsDiscoveryEnumeration() => true;
}
