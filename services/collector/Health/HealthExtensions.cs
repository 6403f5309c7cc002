namespace Reheat.Collector.Health;

/// <summary>Puts the standard health service into a server.</summary>
public static class HealthExtensions
{
    /// <summary>Adds <see cref="ServiceHealth"/>, which is closed when the application begins to stop.</summary>
    public static IServiceCollection AddReheatHealth(this IServiceCollection services) => services.AddSingleton<ServiceHealth>();

    /// <summary>Serves <c>grpc.health.v1.Health</c>.</summary>
    public static GrpcServiceEndpointConventionBuilder MapReheatHealth(this IEndpointRouteBuilder endpoints)
    {
        // Open watches would otherwise hold up the stop of the host until its timeout.
        IServiceProvider services = endpoints.ServiceProvider;
        services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping
            .Register(services.GetRequiredService<ServiceHealth>().Close);
        return endpoints.MapGrpcService<HealthService>();
    }
}
