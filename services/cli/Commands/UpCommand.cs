using System.CommandLine;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Reheat.Cli.Terminal;
using Reheat.Collector;
using Reheat.Recompiler;
using Reheat.Store.Cluster;
using Reheat.Store.Migrations;

namespace Reheat.Cli.Commands;

/// <summary><c>reheat up</c>.</summary>
internal static class UpCommand
{
    private static readonly Option<string> Listen = new("--listen")
    {
        Description = "Where the collector listens for gRPC. Port 0 takes a free one.",
        HelpName = "HOST:PORT",
        DefaultValueFactory = _ => new CollectorOptions().Listen,
    };

    private static readonly Option<string> Data = new("--data")
    {
        Description = "Directory of the private PostgreSQL. Default: the state directory of the user (for root /var/lib/reheat).",
        HelpName = "DIR",
        DefaultValueFactory = _ => DefaultData(),
    };

    private static readonly Option<string> Database = new("--database")
    {
        Description = "Use this PostgreSQL instead of a private one (Npgsql connection string).",
        HelpName = "CONNECTION",
        DefaultValueFactory = _ => "",
    };

    private static readonly Option<string> AddressFile = new("--address-file")
    {
        Description = "Write the collector's URL to this file once it answers; for scripts.",
        HelpName = "FILE",
        DefaultValueFactory = _ => "",
    };

    private static readonly Option<bool> Verbose = new("--verbose", "-v") { Description = "Log every request." };

    public static Command Create()
    {
        var command = new Command("up", "Run a collector, a recompiler and a private PostgreSQL in one process, until interrupted.")
        {
            Listen, Data, Database, AddressFile, Verbose,
        };
        command.SetAction(RunAsync);
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, CancellationToken cancel)
    {
        using ILoggerFactory logs = LoggerFactory.Create(l => Configure(l, parsed.GetValue(Verbose)));
        PrivateCluster? cluster = null;
        try
        {
            string database = parsed.GetValue(Database)!;
            if (database.Length == 0)
            {
                cluster = await PrivateCluster.StartAsync(parsed.GetValue(Data)!, logs.CreateLogger("Reheat.Store"), cancel);
                database = cluster.ConnectionString;
            }
            WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
            builder.Logging.ClearProviders();
            Configure(builder.Logging, parsed.GetValue(Verbose));
            builder.AddCollector(new CollectorOptions { Database = database, Listen = parsed.GetValue(Listen)! });
            // The policy of lists: Recompiler__KeepBuilds and its like in the environment.
            RecompilerOptions recompiler = builder.Configuration.GetSection("Recompiler").Get<RecompilerOptions>() ?? new RecompilerOptions();
            builder.Services.AddRecompiler(recompiler with { Database = database });
            WebApplication app = builder.Build();
            await using (app)
            {
                app.MapCollector();
                await CollectorHost.MigrateAsync(app.Services, TimeSpan.FromSeconds(30), cancel);
                await app.StartAsync(cancel);
                Uri address = CollectorHost.AddressOf(app.Services);
                await Console.Out.WriteLineAsync($"collector {address.ToString().TrimEnd('/')}");
                await Console.Out.WriteLineAsync($"database  {database}");
                if (parsed.GetValue(AddressFile) is { Length: > 0 } file)
                {
                    // Renamed into place: who finds it can read it whole.
                    await File.WriteAllTextAsync(file + ".new", address.ToString().TrimEnd('/') + "\n", cancel);
                    File.Move(file + ".new", file, overwrite: true);
                }
                using CancellationTokenRegistration stop = cancel.Register(app.Lifetime.StopApplication);
                await app.WaitForShutdownAsync(CancellationToken.None);
            }
            return ExitCode.Success;
        }
        catch (Exception e) when (e is PrivateClusterException or MigrationException or NpgsqlException or InvalidOperationException or IOException)
        {
            throw new CommandException(ExitCode.Failure, e.Message);
        }
        finally
        {
            if (cluster is not null)
                await cluster.DisposeAsync();
        }
    }

    private static void Configure(ILoggingBuilder logging, bool verbose)
    {
        logging.SetMinimumLevel(LogLevel.Information);
        logging.AddFilter("Microsoft", verbose ? LogLevel.Information : LogLevel.Warning);
        logging.AddFilter("Grpc", verbose ? LogLevel.Information : LogLevel.Warning);
        logging.AddFilter("Npgsql", LogLevel.Warning);
        logging.AddStandardError();
    }

    private static string DefaultData() =>
        Environment.IsPrivilegedProcess
            ? "/var/lib/reheat"
            : Path.Combine(Environment.GetEnvironmentVariable("XDG_STATE_HOME") is { Length: > 0 } state
                ? state
                : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "state"), "reheat");
}
