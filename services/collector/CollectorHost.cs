using System.Net;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Npgsql;
using Reheat.Collector.Annotations;
using Reheat.Collector.Builds;
using Reheat.Collector.Coverage;
using Reheat.Collector.Health;
using Reheat.Collector.Ingest;
using Reheat.Collector.Limits;
using Reheat.Collector.Reflection;
using Reheat.Collector.Storage;
using Reheat.Store.Builds;
using Reheat.Store.Coverage;
using Reheat.Store.Ingest;
using Reheat.Store.Lists;
using Reheat.Store.Migrations;
using Reheat.Store.Storage;
using Reheat.V1;
using ServiceDescriptor = Google.Protobuf.Reflection.ServiceDescriptor;

namespace Reheat.Collector;

/// <summary>The collector's wiring, for the stand-alone program, <c>reheat up</c> and the tests alike.</summary>
public static class CollectorHost
{
    /// <summary>The largest request that is read: gRPC's usual 4 MiB.</summary>
    public const int MaxRequestBytes = 4 << 20;

    /// <summary>Registers the collector's services and its endpoint.</summary>
    public static WebApplicationBuilder AddCollector(this WebApplicationBuilder builder, CollectorOptions options)
    {
        IServiceCollection services = builder.Services;
        CollectorOptions.TrySplitListen(options.Validated().Listen, out string host, out int port);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            IPAddress[] addresses = IPAddress.TryParse(host, out IPAddress? address) ? [address] : Dns.GetHostAddresses(host);
            kestrel.Listen(addresses[0], port, endpoint => endpoint.Protocols = HttpProtocols.Http2);
            // Finds peers that vanished without closing: their leases are then let go.
            kestrel.Limits.Http2.KeepAlivePingDelay = TimeSpan.FromSeconds(20);
            kestrel.Limits.Http2.KeepAlivePingTimeout = TimeSpan.FromSeconds(20);
            kestrel.Limits.MinRequestBodyDataRate = null; // streams are quiet between batches
        });
        services.AddGrpc(grpc =>
        {
            grpc.MaxReceiveMessageSize = MaxRequestBytes;
            grpc.Interceptors.Add<DatabaseAwayInterceptor>();
        });
        services.AddReheatHealth().AddReheatReflection();
        services.AddSingleton(options);
        services.AddSingleton(TimeProvider.System);
        services.AddSingleton(_ => new NpgsqlDataSourceBuilder(options.Database).Build());
        services.AddSingleton<Migrator>();
        services.AddSingleton(s => new TargetStore(s.GetRequiredService<NpgsqlDataSource>(), options.MaxTargets, options.MaxNewTargets));
        services.AddSingleton<WedgeStore>().AddSingleton<SiteStore>().AddSingleton<IngestStore>();
        services.AddSingleton<BuildStore>().AddSingleton<PartStore>();
        services.AddSingleton<JobStore>().AddSingleton<AnnotationListStore>().AddSingleton<ByHandStore>().AddSingleton<CoverageStore>();
        services.AddSingleton(new KeyBudget(options.MaxKeys)).AddSingleton<KeyTables>().AddSingleton<LookUps>();
        services.AddSingleton<Committer>().AddHostedService(s => s.GetRequiredService<Committer>());
        services.AddSingleton<LeaseKeeper>().AddHostedService(s => s.GetRequiredService<LeaseKeeper>());
        services.AddSingleton<PartitionStore>().AddSingleton<RemainderStore>().AddSingleton<RefusalStore>();
        services.AddSingleton<Admission>();
        services.AddSingleton<RefusalCounts>().AddHostedService(s => s.GetRequiredService<RefusalCounts>());
        services.AddHostedService<Housekeeper>();
        services.AddSingleton<JobWatch>().AddHostedService(s => s.GetRequiredService<JobWatch>());
        return builder;
    }

    /// <summary>Maps the gRPC services.</summary>
    public static WebApplication MapCollector(this WebApplication app)
    {
        app.MapGrpcService<IngestService>();
        app.MapGrpcService<BuildsService>();
        app.MapGrpcService<AnnotationsService>();
        app.MapGrpcService<CoverageService>();
        ServiceHealth health = app.Services.GetRequiredService<ServiceHealth>();
        foreach (ServiceDescriptor service in (ServiceDescriptor[])[TraceIngest.Descriptor, V1.Builds.Descriptor, V1.Annotations.Descriptor, V1.Coverage.Descriptor])
            health.Set(service.FullName, serving: true);
        app.MapReheatHealth();
        app.MapReheatReflection();
        return app;
    }

    /// <summary>Brings the schema up to date; waits for a database that is away, saying so, up to <paramref name="patience"/>.</summary>
    /// <exception cref="MigrationException">The schema cannot be brought up to date.</exception>
    /// <exception cref="NpgsqlException">The database stayed away.</exception>
    public static async Task MigrateAsync(IServiceProvider services, TimeSpan patience, CancellationToken cancel)
    {
        ILogger log = services.GetRequiredService<ILoggerFactory>().CreateLogger("Reheat.Collector");
        TimeProvider clock = services.GetRequiredService<TimeProvider>();
        long start = clock.GetTimestamp();
        TimeSpan delay = TimeSpan.FromMilliseconds(200);
        while (true)
        {
            try
            {
                await services.GetRequiredService<Migrator>().MigrateAsync(cancel);
                return;
            }
            catch (NpgsqlException e) when (e is not PostgresException { IsTransient: false } && clock.GetElapsedTime(start) < patience)
            {
                Log.DatabaseAway(log, e.Message, delay.TotalSeconds);
            }
            await Task.Delay(delay, clock, cancel);
            delay = TimeSpan.FromTicks(Math.Min(delay.Ticks * 2, TimeSpan.TicksPerSecond * 5));
        }
    }

    /// <summary>The URL that clients connect to, once the application has started; with the port that was taken.</summary>
    public static Uri AddressOf(IServiceProvider services) =>
        new(services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First());
}
