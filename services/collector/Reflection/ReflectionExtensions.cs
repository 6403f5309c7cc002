using Microsoft.Extensions.DependencyInjection.Extensions;

namespace Reheat.Collector.Reflection;

/// <summary>Puts the standard reflection service into a server, so that tools can call it without its proto files.</summary>
public static class ReflectionExtensions
{
    /// <summary>Adds what the reflection service needs.</summary>
    public static IServiceCollection AddReheatReflection(this IServiceCollection services)
    {
        services.TryAddSingleton<MappedServices>();
        services.TryAddSingleton<ReflectionAnswers>();
        return services;
    }

    /// <summary>Serves <c>grpc.reflection.v1</c> and <c>v1alpha</c> for all mapped services, those mapped later included.</summary>
    public static IEndpointRouteBuilder MapReheatReflection(this IEndpointRouteBuilder endpoints)
    {
        endpoints.MapGrpcService<ReflectionService>();
        endpoints.MapGrpcService<ReflectionAlphaService>();
        return endpoints;
    }
}
