using System.Reflection;
using Grpc.AspNetCore.Server;
using Grpc.Core;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace Reheat.Collector.Reflection;

/// <summary>The services that this server has mapped, indexed when first asked for: only then are all of them mapped.</summary>
internal sealed class MappedServices(EndpointDataSource endpoints)
{
    private readonly Lazy<DescriptorIndex> _index = new(() => new DescriptorIndex(Descriptors(endpoints)));

    public DescriptorIndex Index => _index.Value;

    private static IEnumerable<ServiceDescriptor> Descriptors(EndpointDataSource endpoints) => endpoints.Endpoints
        .Select(e => e.Metadata.GetMetadata<GrpcMethodMetadata>()?.ServiceType)
        .OfType<Type>()
        .Distinct()
        .Select(Descriptor);

    // Generated code announces a service by an attribute on the base class, which names the static class that has the descriptor.
    private static ServiceDescriptor Descriptor(Type service) =>
        service.GetCustomAttribute<BindServiceMethodAttribute>(inherit: true)
            ?.BindType.GetProperty("Descriptor", BindingFlags.Public | BindingFlags.Static)
            ?.GetValue(null) as ServiceDescriptor
        ?? throw new InvalidOperationException($"gRPC service {service} was not generated from a proto file: reflection cannot describe it");
}
