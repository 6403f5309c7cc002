using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Reheat.Store.Cluster;

/// <summary>
/// A PostgreSQL cluster of Reheat's own, for development and the demo: made with <c>initdb</c> from the installed binaries, reached over
/// a Unix socket alone. Durability settings stay at PostgreSQL's defaults (fsync, full_page_writes and synchronous_commit are on).
/// </summary>
public sealed class PrivateCluster : IAsyncDisposable
{
    private const string User = "reheat";
    private const string DatabaseName = "reheat";

    // PostgreSQL refuses to run as root; Debian's package makes this user.
    private const string ServerUser = "postgres";

    // sockaddr_un holds 108 bytes, ".s.PGSQL.5432" and the NUL included.
    private const int LongestSocketDirectory = 90;

    private readonly PostgresBinaries _binaries;
    private readonly ClusterLock _lock;

    private PrivateCluster(PostgresBinaries binaries, string directory, string socketDirectory, ClusterLock held)
    {
        _binaries = binaries;
        Directory = directory;
        SocketDirectory = socketDirectory;
        _lock = held;
    }

    /// <summary>The directory that holds <c>data</c> and <c>log</c>.</summary>
    public string Directory { get; }

    /// <summary>Where the socket is.</summary>
    public string SocketDirectory { get; }

    /// <summary>For Npgsql, with the database that <see cref="StartAsync"/> made.</summary>
    public string ConnectionString => ConnectionStringFor(DatabaseName);

    /// <summary>For Npgsql, with another database of this cluster.</summary>
    public string ConnectionStringFor(string database) =>
        new NpgsqlConnectionStringBuilder { Host = SocketDirectory, Username = User, Database = database, IncludeErrorDetail = true }.ConnectionString;

    /// <summary>Makes the cluster if there is none in <paramref name="directory"/>, starts it if it does not run, and makes the database.</summary>
    /// <exception cref="PrivateClusterException">PostgreSQL is not installed or did not start, another process uses the directory, or it is not Reheat's; the message says what to do.</exception>
    public static async Task<PrivateCluster> StartAsync(string directory, ILogger log, CancellationToken cancel)
    {
        PostgresBinaries binaries = PostgresBinaries.Find();
        directory = Path.GetFullPath(directory);
        string data = Path.Combine(directory, "data");
        string socket = SocketDirectoryOf(directory);
        string logFile = Path.Combine(directory, "log");
        RefuseForeign(directory);
        await MakeDirectoryAsync(directory, cancel);
        ClusterLock held = ClusterLock.Take(directory);
        try
        {
            return await StartLockedAsync(binaries, directory, data, socket, logFile, held, log, cancel);
        }
        catch
        {
            held.Dispose();
            throw;
        }
    }

    private static async Task<PrivateCluster> StartLockedAsync(
        PostgresBinaries binaries, string directory, string data, string socket, string logFile, ClusterLock held, ILogger log, CancellationToken cancel)
    {
        await MakeDirectoryAsync(socket, cancel);
        if (!File.Exists(Path.Combine(data, "PG_VERSION")))
        {
            await RunAsync(binaries.Path("initdb"),
                ["-D", data, "-U", User, "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--data-checksums"],
                "initdb could not make a cluster", logFile, cancel);
        }
        // It runs already if a process that held the lock was killed: then it is this one's.
        if (!await RunningAsync(binaries, data, cancel))
        {
            await RunAsync(binaries.Path("pg_ctl"),
                ["-D", data, "-l", logFile, "-w", "-t", "60", "-o", $"-k {ShellQuoted(socket)} -c listen_addresses= -c max_connections=200 -c unix_socket_permissions=0700", "start"],
                "PostgreSQL did not start", logFile, cancel);
        }
        var cluster = new PrivateCluster(binaries, directory, socket, held);
        try
        {
            await cluster.MakeDatabaseAsync(DatabaseName, cancel);
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
        Log.ClusterStarted(log, binaries.Version, socket, directory);
        return cluster;
    }

    /// <summary>Makes a database unless it exists.</summary>
    public async Task MakeDatabaseAsync(string name, CancellationToken cancel)
    {
        // Not from a pool, which may hold connections to a server that crashed.
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(ConnectionStringFor("postgres")) { Pooling = false }.ConnectionString);
        await connection.OpenAsync(cancel);
        await using var exists = new NpgsqlCommand("SELECT 1 FROM pg_database WHERE datname = $1", connection) { Parameters = { new() { Value = name } } };
        if (await exists.ExecuteScalarAsync(cancel) is not null)
            return;
        await using var create = new NpgsqlCommand($"CREATE DATABASE \"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"", connection);
        await create.ExecuteNonQueryAsync(cancel);
    }

    /// <summary>Stops the server and lets go of the directory; <paramref name="immediate"/> as a crash would, so that the next start recovers from the log.</summary>
    public async Task StopAsync(bool immediate, CancellationToken cancel)
    {
        await RunAsync(_binaries.Path("pg_ctl"), ["-D", Path.Combine(Directory, "data"), "-m", immediate ? "immediate" : "fast", "-w", "-t", "600", "stop"],
            "PostgreSQL did not stop", Path.Combine(Directory, "log"), cancel);
        _lock.Dispose();
    }

    /// <summary>Stops the server in order, if it runs, and lets go of the directory.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_lock.IsHeld)
            return; // stopped, and perhaps somebody else's by now
        if (await RunningAsync(_binaries, Path.Combine(Directory, "data"), CancellationToken.None))
            await StopAsync(immediate: false, CancellationToken.None);
        _lock.Dispose();
    }

    private static string SocketDirectoryOf(string directory)
    {
        string inside = Path.Combine(directory, "run");
        if (inside.Length <= LongestSocketDirectory)
            return inside;
        string hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(directory)))[..12];
        return Path.Combine(Path.GetTempPath(), $"reheat-{hash}");
    }

    /// <summary>A directory with other things in it is not ours, whoever may write to it.</summary>
    private static void RefuseForeign(string directory)
    {
        if (File.Exists(directory))
            throw new PrivateClusterException($"{directory} is a file — name a directory with --data");
        if (!System.IO.Directory.Exists(directory))
            return;
        try
        {
            foreach (string entry in System.IO.Directory.EnumerateFileSystemEntries(directory).Select(e => Path.GetFileName(e)!))
            {
                if (entry is not ("data" or "log" or "run" or ClusterLock.FileName or ClusterLock.PidFileName or "lost+found"))
                    throw new PrivateClusterException($"{directory} holds {entry}, which is not Reheat's — name an empty directory with --data, or one that does not exist yet");
            }
        }
        catch (UnauthorizedAccessException)
        {
            throw new PrivateClusterException($"{directory} cannot be read by {Environment.UserName} — name a directory of your own with --data");
        }
    }

    /// <summary>Makes a directory of the server's. One that exists is somebody's, and stays as it is.</summary>
    private static async Task MakeDirectoryAsync(string path, CancellationToken cancel)
    {
        if (!System.IO.Directory.Exists(path))
        {
            System.IO.Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            if (Environment.IsPrivilegedProcess)
                await RunAsync("chown", [ServerUser, path], $"no user {ServerUser} — install the package postgresql", "", cancel, asServer: false);
        }
        if (await RunAsync("test", ["-w", path, "-a", "-x", path], null, "", cancel) != 0)
        {
            string user = Environment.IsPrivilegedProcess ? ServerUser : Environment.UserName;
            throw new PrivateClusterException($"{path} exists, and user {user}, whom PostgreSQL runs as, cannot write to it — name a directory that does not exist yet, or chown it to {user}");
        }
    }

    // pg_ctl hands its -o to a shell.
    private static string ShellQuoted(string text) => "'" + text.Replace("'", "'\\''", StringComparison.Ordinal) + "'";

    private static async Task<bool> RunningAsync(PostgresBinaries binaries, string data, CancellationToken cancel) =>
        (await RunAsync(binaries.Path("pg_ctl"), ["-D", data, "status"], null, "", cancel)) == 0;

    private static async Task<int> RunAsync(string program, string[] arguments, string? failure, string logFile, CancellationToken cancel, bool asServer = true)
    {
        var start = new ProcessStartInfo { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" };
        if (asServer && Environment.IsPrivilegedProcess)
        {
            start.FileName = "runuser";
            foreach (string argument in (string[])["-u", ServerUser, "--", program])
                start.ArgumentList.Add(argument);
        }
        else
        {
            start.FileName = program;
        }
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        // The server must not find the caller's settings.
        start.Environment.Remove("PGDATA");
        start.Environment["LC_ALL"] = "C.UTF-8";
        using Process process = Process.Start(start) ?? throw new PrivateClusterException($"cannot run {program}");
        // pg_ctl's child keeps the pipes open, so wait for the process and not for the end of its output.
        var output = new StringBuilder();
        process.OutputDataReceived += (_, line) => Keep(line.Data);
        process.ErrorDataReceived += (_, line) => Keep(line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        while (!process.WaitForExit(0))
            await Task.Delay(20, cancel);
        if (process.ExitCode == 0 || failure is null)
            return process.ExitCode;
        string tail = File.Exists(logFile) ? string.Join('\n', File.ReadLines(logFile).TakeLast(5)) : "";
        lock (output)
            throw new PrivateClusterException($"{failure} ({Path.GetFileName(program)} exit code {process.ExitCode}): {output}{tail}");

        void Keep(string? line)
        {
            if (line is not null)
            {
                lock (output)
                    output.AppendLine(line);
            }
        }
    }
}
