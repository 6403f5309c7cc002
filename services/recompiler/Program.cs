using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Reheat.Recompiler;

// A recompiler alone: its database comes from the environment (Recompiler__Database) or the command line (--Recompiler:Database=…).
HostApplicationBuilder builder = Host.CreateApplicationBuilder(args);
try
{
    builder.Services.AddRecompiler(builder.Configuration.GetSection("Recompiler").Get<RecompilerOptions>() ?? new RecompilerOptions());
}
catch (InvalidOperationException e)
{
    await Console.Error.WriteLineAsync($"reheat-recompiler: {e.Message}");
    return 2;
}
await builder.Build().RunAsync();
return 0;
