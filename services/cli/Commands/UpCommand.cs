using System.CommandLine;
using System.Net;
using System.Net.Sockets;
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
        Description = "Directory of the private PostgreSQL.",
        HelpName = "DIR",
        DefaultValueFactory = _ => DefaultData(),
    };

    private static readonly Option<string> Database = new("--database")
    {
        Description = "Use this PostgreSQL instead of a private one (Npgsql connection string).",
        HelpName = "CONNECTION",
    };

    private static readonly Option<string> AddressFile = new("--address-file")
    {
        Description = "Write the collector's URL to this file once it answers; for scripts.",
        HelpName = "FILE",
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
            string database = parsed.GetValue(Database) ?? "";
            CheckDatabase(database);
            CheckListen(parsed.GetValue(Listen)!);
            if (database.Length == 0)
            {
                cluster = await PrivateCluster.StartAsync(parsed.GetValue(Data)!, logs.CreateLogger("Reheat.Store"), cancel);
                database = cluster.ConnectionString;
            }
            WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
            builder.Logging.ClearProviders();
            Configure(builder.Logging, parsed.GetValue(Verbose));
            // Limits, tokens, how long counts are kept: Collector__MaxStreams and its like in the environment.
            CollectorOptions collector = builder.Configuration.GetSection("Collector").Get<CollectorOptions>() ?? new CollectorOptions();
            builder.AddCollector(collector with { Database = database, Listen = parsed.GetValue(Listen)! });
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
        catch (IOException e) when (e.InnerException is Microsoft.AspNetCore.Connections.AddressInUseException)
        {
            throw InUse(parsed.GetValue(Listen)!); // taken since it was tried
        }
        catch (NpgsqlException e) when (parsed.GetValue(Database) is { Length: > 0 })
        {
            throw new CommandException(ExitCode.Failure, $"--database: {e.Message}");
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

    private static void CheckDatabase(string database)
    {
        try
        {
            if (database.Length == 0 || new NpgsqlConnectionStringBuilder(database).Host is { Length: > 0 })
                return;
        }
        catch (Exception e) when (e is ArgumentException or FormatException)
        {
            // Not of that form: said below. The text may hold a password.
        }
        throw new CommandException(ExitCode.Usage, "--database: expected an Npgsql connection string such as Host=db.example;Username=reheat;Database=reheat");
    }

    /// <summary>Tries the address, so that a wrong one is told before a PostgreSQL is started for nothing.</summary>
    private static void CheckListen(string listen)
    {
        if (!CollectorOptions.TrySplitListen(listen, out string host, out int port))
            throw new CommandException(ExitCode.Usage, $"--listen {listen}: expected HOST:PORT, for example 127.0.0.1:7420");
        try
        {
            IPAddress address = IPAddress.TryParse(host, out IPAddress? number) ? number : Dns.GetHostAddresses(host)[0];
            using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(address, port));
            socket.Listen();
        }
        catch (SocketException e)
        {
            throw e.SocketErrorCode switch
            {
                SocketError.AddressAlreadyInUse => InUse(listen),
                SocketError.AddressNotAvailable => new CommandException(ExitCode.Usage, $"--listen {listen}: {host} is no address of this machine"),
                SocketError.AccessDenied => new CommandException(ExitCode.Usage, $"--listen {listen}: ports below 1024 are for root"),
                _ => new CommandException(ExitCode.Usage, $"--listen {listen}: {e.Message}"),
            };
        }
    }

    private static CommandException InUse(string listen) =>
        new(ExitCode.Usage, $"--listen {listen}: the port is in use — by another `reheat up`? Name another one; port 0 takes a free one");

    private static void Configure(ILoggingBuilder logging, bool verbose)
    {
        logging.SetMinimumLevel(LogLevel.Information);
        logging.AddFilter("Microsoft", verbose ? LogLevel.Information : LogLevel.Warning);
        logging.AddFilter("Grpc", verbose ? LogLevel.Information : LogLevel.Warning);
        logging.AddFilter("Npgsql", LogLevel.Warning);
        logging.AddFilter("Microsoft.Extensions.Hosting", LogLevel.Critical); // a start that fails: the command tells why, in one line
        logging.AddStandardError();
    }

    private static string DefaultData() =>
        Environment.IsPrivilegedProcess
            ? "/var/lib/reheat"
            : Path.Combine(Environment.GetEnvironmentVariable("XDG_STATE_HOME") is { Length: > 0 } state
                ? state
                : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "state"), "reheat");
}
