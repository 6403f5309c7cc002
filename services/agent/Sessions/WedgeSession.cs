using Reheat.Core;
using Reheat.Core.Ring;

namespace Reheat.Agent.Sessions;

/// <summary>A wedge's session directory, opened: who the wedge is, its rings and its code file.</summary>
internal sealed class WedgeSession : IDisposable
{
    private readonly List<RingFile> _rings = [];

    private WedgeSession(string directory, WedgeInfo info)
    {
        Directory = directory;
        Info = info;
        Code = new CodeFile(Path.Combine(directory, RingFormat.CodeFile));
    }

    public string Directory { get; }

    public WedgeInfo Info { get; }

    public CodeFile Code { get; }

    /// <summary>In order of number.</summary>
    public IReadOnlyList<RingFile> Rings => _rings;

    /// <summary>Set once the wedge is known to have ended, in order or not.</summary>
    public bool ProducerEnded => _rings.Count > 0 && _rings.All(r => r.IsClosed || !System.IO.Directory.Exists($"/proc/{r.ProducerPid}"));

    /// <summary>Opens a session whose wedge has begun; null if it has not.</summary>
    /// <exception cref="AgentException">A ring cannot be used, or another process consumes it.</exception>
    public static WedgeSession? TryOpen(string directory)
    {
        string info = Path.Combine(directory, RingFormat.InfoFile);
        if (!File.Exists(info))
            return null;
        var session = new WedgeSession(directory, WedgeInfo.Parse(File.ReadAllText(info)));
        try
        {
            session.FindRings();
        }
        catch
        {
            session.Dispose();
            throw;
        }
        if (session._rings.Count > 0)
            return session;
        session.Dispose();
        return null;
    }

    /// <summary>Opens rings that have come since.</summary>
    /// <returns>True if there were any.</returns>
    public bool FindRings()
    {
        int before = _rings.Count;
        foreach (string path in System.IO.Directory.EnumerateFiles(Directory, RingFormat.RingFilePrefix + "*").Order(StringComparer.Ordinal))
        {
            if (!_rings.Exists(r => r.Path == path) && Open(path) is { } ring)
                _rings.Add(ring);
        }
        _rings.Sort((a, b) => a.Ring.CompareTo(b.Ring));
        if (_rings.Select(r => r.Epoch).Distinct().Count() > 1)
            throw new AgentException($"{Directory}: its rings are of different epochs ({string.Join(", ", _rings.Select(r => $"{r.Epoch:x16}"))}) — give each session a directory of its own");
        return _rings.Count > before;
    }

    private static RingFile? Open(string path)
    {
        // A producer that does not rename into place has the file there before its magic: not a ring yet, if it is young.
        RingFile? ring = RingFile.Open(path, out Diagnostic? fault);
        if (fault is not null)
        {
            bool young = fault.Id == DiagnosticId.RingNotARing && DateTime.UtcNow - File.GetLastWriteTimeUtc(path) < TimeSpan.FromSeconds(2);
            return young ? null : throw new AgentException(fault.ToString());
        }
        int other = ring!.Attach();
        if (other != 0)
        {
            ring.Dispose();
            throw new AgentException($"{path}: process {other} reads this ring already — a ring has one consumer; stop that process first");
        }
        return ring;
    }

    public void Dispose()
    {
        foreach (RingFile ring in _rings)
            ring.Dispose();
        _rings.Clear();
    }
}
