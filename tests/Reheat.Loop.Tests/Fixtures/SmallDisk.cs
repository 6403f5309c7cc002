using System.Diagnostics;
using System.Globalization;

namespace Reheat.Loop.Tests.Fixtures;

/// <summary>
/// A file system of some bytes, in a namespace of its own, so that no privilege is needed and no other process has it. It stays while processes on it come and go, and can be filled up.
/// </summary>
internal sealed class SmallDisk : IDisposable
{
    private readonly Process _holder;
    private readonly string _seen; // the same directory, as this process sees it

    /// <param name="directory">Where it is mounted; made if it is not there.</param>
    /// <param name="bytes">For example <c>4m</c>.</param>
    public SmallDisk(string directory, string bytes)
    {
        Directory.CreateDirectory(directory);
        var start = new ProcessStartInfo("unshare") { RedirectStandardOutput = true, RedirectStandardInput = true };
        foreach (string argument in (string[])["--user", "--map-root-user", "--mount", "sh", "-c", "mount -t tmpfs -o size=\"$1\" none \"$2\" && echo there && exec cat >/dev/null", "sh", bytes, directory])
            start.ArgumentList.Add(argument);
        _holder = Tool.Start(start);
        if (_holder.StandardOutput.ReadLine() != "there")
            throw new InvalidOperationException($"no file system of {bytes} at {directory}: user namespaces are needed");
        _seen = $"/proc/{_holder.Id.ToString(CultureInfo.InvariantCulture)}/root{directory}";
    }

    /// <summary>What a command line begins with that is to run where the disk is.</summary>
    public IEnumerable<string> Inside => ["nsenter", "--target", _holder.Id.ToString(CultureInfo.InvariantCulture), "--user", "--mount", "--preserve-credentials"];

    private string Ballast => Path.Combine(_seen, "ballast");

    /// <summary>Files on it that match, below a directory of it.</summary>
    public IEnumerable<string> Files(string directory, string pattern) =>
        Directory.Exists(Path.Combine(_seen, directory)) ? Directory.EnumerateFiles(Path.Combine(_seen, directory), pattern, SearchOption.AllDirectories) : [];

    /// <summary>Takes what is free.</summary>
    public void Fill()
    {
        using FileStream ballast = File.Open(Ballast, FileMode.Append);
        byte[] page = new byte[4096];
        try
        {
            while (true)
            {
                ballast.Write(page);
                ballast.Flush();
            }
        }
        catch (IOException)
        {
            // It is full.
        }
    }

    /// <summary>Gives it back.</summary>
    public void Empty() => File.Delete(Ballast);

    public void Dispose()
    {
        _holder.Kill();
        _holder.WaitForExit();
        _holder.Dispose();
    }
}
