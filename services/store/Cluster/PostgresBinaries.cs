using System.Globalization;

namespace Reheat.Store.Cluster;

/// <summary>Where the installed PostgreSQL server's programs are.</summary>
internal sealed record PostgresBinaries(string Directory, string Version)
{
    private const string DebianRoot = "/usr/lib/postgresql";

    /// <summary>Path of one program.</summary>
    public string Path(string program) => System.IO.Path.Combine(Directory, program);

    /// <summary>The newest installation: Debian's versioned folders first, then the PATH.</summary>
    /// <exception cref="PrivateClusterException">There is none.</exception>
    public static PostgresBinaries Find()
    {
        if (System.IO.Directory.Exists(DebianRoot))
        {
            var newest = System.IO.Directory.EnumerateDirectories(DebianRoot)
                .Select(d => (Directory: System.IO.Path.Combine(d, "bin"), Version: System.IO.Path.GetFileName(d)))
                .Where(d => File.Exists(System.IO.Path.Combine(d.Directory, "initdb")))
                .MaxBy(d => double.TryParse(d.Version, NumberStyles.Float, CultureInfo.InvariantCulture, out double v) ? v : 0);
            if (newest.Directory is not null)
                return new PostgresBinaries(newest.Directory, newest.Version);
        }
        foreach (string directory in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':'))
        {
            if (File.Exists(System.IO.Path.Combine(directory, "initdb")))
                return new PostgresBinaries(directory, "of the PATH");
        }
        throw new PrivateClusterException(
            $"no PostgreSQL server found: neither {DebianRoot}/*/bin nor the PATH has initdb — apt-get install postgresql, or name a database with --database");
    }
}

/// <summary>The private cluster cannot be used; the message says why and what to do.</summary>
public sealed class PrivateClusterException : Exception
{
    /// <inheritdoc/>
    public PrivateClusterException(string message) : base(message)
    {
    }

    /// <inheritdoc/>
    public PrivateClusterException(string message, Exception inner) : base(message, inner)
    {
    }

    /// <inheritdoc/>
    public PrivateClusterException()
    {
    }
}
