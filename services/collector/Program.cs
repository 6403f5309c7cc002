using Microsoft.Extensions.Configuration.Memory;
using Npgsql;
using Reheat.Collector;
using Reheat.Store.Migrations;

// A collector alone: DATABASE and LISTEN come from the environment (Collector__Database, Collector__Listen) or the command line
// (--Collector:Database=…). `reheat up` runs the same with a private database and a recompiler.
WebApplicationBuilder builder = WebApplication.CreateBuilder(new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory });
// Every request at eight lines is for who asks for it: Logging__LogLevel__Microsoft.AspNetCore=Information.
builder.Configuration.Sources.Insert(0, new MemoryConfigurationSource { InitialData = new Dictionary<string, string?> { ["Logging:LogLevel:Microsoft.AspNetCore"] = "Warning" } });
CollectorOptions options;
try
{
    options = (builder.Configuration.GetSection("Collector").Get<CollectorOptions>() ?? new CollectorOptions()).Validated();
}
catch (InvalidOperationException e)
{
    await Console.Error.WriteLineAsync($"reheat-collector: {e.Message}");
    return 2;
}
builder.AddCollector(options);
WebApplication app = builder.Build();
app.MapCollector();
try
{
    await CollectorHost.MigrateAsync(app.Services, TimeSpan.FromMinutes(2), app.Lifetime.ApplicationStopping);
}
catch (Exception e) when (e is MigrationException or NpgsqlException)
{
    await Console.Error.WriteLineAsync($"reheat-collector: {e.Message}");
    return 3;
}
await app.RunAsync();
return 0;
