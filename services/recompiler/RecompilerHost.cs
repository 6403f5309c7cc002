using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Npgsql;
using Reheat.Store.Builds;
using Reheat.Store.Lists;

namespace Reheat.Recompiler;

/// <summary>The recompiler's wiring, for the stand-alone program, <c>reheat up</c> and the tests alike.</summary>
public static class RecompilerHost
{
    /// <summary>Registers the worker and what it needs; shares stores with a collector in the same process.</summary>
    public static IServiceCollection AddRecompiler(this IServiceCollection services, RecompilerOptions options)
    {
        services.AddSingleton(options.Validated());
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton(_ => new NpgsqlDataSourceBuilder(options.Database).Build());
        services.TryAddSingleton<BuildStore>();
        services.TryAddSingleton<PartStore>();
        services.TryAddSingleton<JobStore>();
        services.TryAddSingleton<AnnotationListStore>();
        services.TryAddSingleton<ByHandStore>();
        services.TryAddSingleton<VerdictStore>();
        services.AddSingleton<ImageLoader>().AddSingleton<AnnotateJob>();
        services.AddHostedService<Worker>();
        return services;
    }
}
